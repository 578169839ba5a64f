"""Tests of docs/guarantees.md on plans."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from planning.project import InMemoryProject, edited, plan_options_of, small
from workspaces import commit, edit, git, write

from reconciler import __version__
from reconciler.diagnostics import UserError
from reconciler.format.yaml import parse_yaml
from reconciler.model import Op, Plan
from reconciler.planning.saved import SavedPlan, plan_body_digest, restrict_to_saved_plan
from reconciler.render import plan_json

ROOT = Path(__file__).parents[2]


# Runs mlgit, and prints each program that was started and each file below the folder that was executed.
WATCHED = """
import json, os, sys
top, noted = os.getcwd() + os.sep, []
def watch(event, given):
    if event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"}:
        noted.append(os.path.basename(os.fsdecode(given[0])) if isinstance(given[0], (str, bytes)) else repr(given[0]))
    elif event == "exec" and (given[0].co_filename.startswith(top) or given[0].co_filename[:1] not in "</"):
        noted.append(given[0].co_filename)
sys.addaudithook(watch)
from reconciler import cli
try:
    cli.run_command_line()
finally:
    print(json.dumps(sorted(set(noted))), file=sys.stderr)
"""
TRAP = "import pathlib\npathlib.Path(__file__).with_name('sprung').touch()\n"


@pytest.fixture
def project() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(small())
    return project


def saved(plan: Plan) -> SavedPlan:
    body = json.loads(json.dumps(plan_json.plan_body(plan, plan_options_of(small()))))
    return SavedPlan({"commit": "c", "digest": plan_body_digest(body), "tool": "1"}, body)


def planned(folder: Path, mlgit: Any, *options: str) -> dict[str, Any]:
    """Save the plan of HEAD; return the file."""
    out = folder.parent / "plan.json"
    assert mlgit("plan", "--ref", "HEAD", "-o", str(out), *options, cwd=folder).code == 0
    whole: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return whole


def test_the_envelope_names_the_commit_the_live_state_and_the_version_of_mlgit(applied, mlgit):
    """The envelope of a saved plan names the commit, the commit of the live state, and the version of mlgit."""
    envelope = planned(applied, mlgit)["envelope"]
    live = git(applied, "rev-parse", "refs/mlgit/small/default/live")
    assert (envelope["commit"], envelope["state"]) == (git(applied, "rev-parse", "HEAD"), live)
    assert envelope["tool"] == __version__


def test_a_body_has_the_tree_the_actions_with_their_reasons_what_they_reference_and_the_read_set(applied, mlgit):
    """The body of a saved plan has the tree, the actions with their reasons, the resolved references, and the records
    that it depends on.
    """
    edit(applied, "data/numbers.csv", "3\n", "4\n")
    commit(applied)
    body = planned(applied, mlgit)["body"]
    assert body["tree"] == git(applied, "rev-parse", "HEAD^{tree}")
    actions = {action["key"]: action for action in body["actions"]}
    assert actions["new-version data/numbers"]["changes"][0]["files"] == ["numbers.csv"]
    assert actions["submit job/sum"]["references"]["/inputs/numbers/path"] == "data/numbers@2"
    assert body["reads"].keys() == {"data/numbers", "environment/plain", "job/sum", "model/total"}


def test_a_merge_with_the_same_decisions_has_the_same_plan(small, mlgit):
    """A merge commit that comes to the same decisions as the proposed commit has the same plan digest."""
    git(small, "switch", "--quiet", "--create", "feature")
    edit(small, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(small)
    proposed = planned(small, mlgit)
    git(small, "switch", "--quiet", "main")
    commit(small, "meanwhile", {"README.md": "new\n"})
    git(small, "merge", "--quiet", "--no-ff", "-m", "merge", "feature")
    merged = planned(small, mlgit)
    assert merged["body"]["tree"] != proposed["body"]["tree"]
    assert merged["envelope"]["digest"] == proposed["envelope"]["digest"]


def test_a_saved_plan_is_refused_for_a_merge_without_one_of_its_decisions(project):
    """A saved plan is refused for a merge commit without one of its decisions; additional decisions of the merge
    commit are left out.
    """
    described = edited("data/numbers.yml", "type:", "description: d\ntype:")
    both = edited("jobs/sum.yml", "factor: 2", "factor: 3", described)
    proposed = saved(project.plan(both))
    assert saved(project.plan(described)).digest != proposed.digest
    with pytest.raises(UserError, match="submit job/sum"):
        restrict_to_saved_plan(proposed, project.plan(described), project.state())
    more = edited("workspace.yml", "name:", "description: d\nname:", both)
    restricted = restrict_to_saved_plan(proposed, project.plan(more), project.state())
    assert [str(action.key) for action in restricted.decisions] == [
        action["key"] for action in proposed.body["actions"] if Op(action["action"]).is_decision
    ]


def test_checks_of_pull_requests_never_refresh():
    """The jobs for a pull request and for a merge queue never refresh and never apply."""
    jobs = parse_yaml("mlgit-plan.yml", (ROOT / ".github/workflows/mlgit-plan.yml").read_bytes())[0].data["jobs"]
    used = {step["uses"] for job in jobs.values() for step in job["steps"] if step["uses"].startswith("$/")}
    assert used == {f"$/.github/actions/{name}" for name in ("plan", "comment", "check")}
    actions = [parse_yaml(path, (ROOT / path[2:] / "action.yml").read_bytes())[0].data for path in used]
    scripts = [step["run"] for action in actions for step in action["runs"]["steps"] if "run" in step]
    assert [script for script in scripts if "--refresh" in script or "apply" in script] == []


def test_sources_keep_each_applied_commit_though_its_branch_is_deleted(small, mlgit):
    """An applied commit is kept by a ref, even if its branch is deleted."""
    git(small, "switch", "--quiet", "--create", "feature")
    applied = commit(small, "feature", {"data/numbers.csv": "n\n9\n"})
    assert mlgit("apply", "--auto-approve", "--select", "data", cwd=small).code == 0
    unapplied = commit(small, "never applied", {"data/numbers.csv": "n\n10\n"})
    git(small, "switch", "--quiet", "main")
    git(small, "branch", "--quiet", "-D", "feature")
    git(small, "reflog", "expire", "--expire=now", "--all")
    git(small, "gc", "--quiet", "--prune=now")
    lookup = subprocess.run(["git", "cat-file", "-e", unapplied], cwd=small, check=False, capture_output=True)
    assert lookup.returncode != 0, "a commit without a ref is removed"
    assert git(small, "show", f"{applied}:data/numbers.csv") == "n\n9"


@pytest.mark.parametrize("command", [("plan",), ("plan", "--format", "json"), ("validate",)], ids=" ".join)
def test_plan_and_validate_execute_nothing_from_the_repository(command, small):
    """`plan` and `validate` execute nothing from the repository: no build, no import, no shell."""
    places = ("sitecustomize.py", "yaml.py", "click.py", "setup.py", "conftest.py", "src/sum.py", "src/__init__.py")
    commit(small, "traps", dict.fromkeys(places, TRAP))
    write(small, {"jobs/__init__.py": TRAP, "environments/build.sh": "touch sprung\n"})
    result = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED, *command], cwd=small, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stderr.splitlines()[-1]) == ["git"]
    assert list(small.rglob("sprung")) == []
