"""The design's section 7 on plans, sentence by sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from design.held import ROOT, missing
from planning.world import World, edited, policy_of, small
from workspaces import commit, edit, git, write

from reconciler import __version__
from reconciler.diagnostics import UserError
from reconciler.format.yaml import parse_yaml
from reconciler.model import Op, Plan
from reconciler.planning.saved import SavedPlan, plan_body_digest, restrict_to_saved_plan
from reconciler.render import plan_json

ELSEWHERE = {
    "A plan file is an *envelope* ... and a *body*": (
        "tests/cli/test_plan_saved.py::test_a_plan_file_matches_the_published_schema"
    ),
    "and the read set: each address with the record it was planned against": (
        "tests/planning/test_saved.py::test_preconditions_are_what_actions_change_and_reference"
    ),
    "The plan's digest is of the body without the tree id.": (
        "tests/planning/test_saved.py::test_the_digest_leaves_out_the_tree_and_nothing_else"
    ),
    "Stale means that an entry of the read set changed": (
        "tests/planning/test_saved.py::test_a_changed_precondition_makes_a_plan_stale"
    ),
    "never that a ref moved": (
        "tests/cli/test_plan_saved.py::test_a_change_of_other_records_does_not_make_a_plan_stale"
    ),
    "Approval binds decisions": ("tests/planning/test_saved.py::test_a_decision_that_differs_now_is_refused"),
    "advances are always allowed": (
        "tests/planning/test_saved.py::test_an_advance_is_allowed_without_a_saved_plan_that_has_it"
    ),
    "Plan reads Git and recorded state only": (
        "tests/planning/test_runs.py::test_without_refresh_a_run_has_its_recorded_status"
    ),
    "the same two give the same body, byte for byte": (
        "tests/planning/test_saved.py::test_the_body_is_a_function_of_the_tree_and_the_live_state"
    ),
    "(at the command line)": "tests/cli/test_plan.py::test_the_same_git_and_state_give_the_same_plan_byte_for_byte",
    "`--refresh` (default in `apply` ...) observes first": (
        "tests/engine/test_together.py::test_an_apply_that_does_not_wait_is_taken_on_by_whoever_comes_next"
    ),
    "... default in `reconcile`": (
        "tests/controller/test_reconcile.py::test_one_turn_applies_what_the_remote_has_and_leaves_what_is_checked_out"
    ),
    "... default in `drift`": "tests/cli/test_drift.py::test_missing_content_is_reported_and_nothing_is_changed",
    "and the observation value is one more input": (
        "tests/planning/test_plan.py::test_plan_is_a_function_of_its_arguments"
    ),
    "Verdicts: *changes*, *waiting*, *drift*.": "tests/render/test_text.py::test_the_verdict_comes_first",
    "After an apply, plan has no decisions.": (
        "tests/planning/test_laws.py::test_after_an_apply_no_decision_remains_even_while_runs_are_active"
    ),
    "Plan reads the *work tree* through a temporary index": (
        "tests/git/test_repository.py::test_reading_the_work_tree_leaves_index_status_and_refs_as_they_were"
    ),
    "`--ref` a commit": "tests/cli/test_plan.py::test_a_revision_is_planned_instead_of_the_work_tree",
    "`apply` refuses a dirty tree": (
        "tests/cli/test_faults.py::test_a_dirty_tree_is_refused_and_nothing_is_registered"
    ),
    "`--allow-dirty` stores it as a commit and records that": (
        "tests/cli/test_faults.py::test_a_dirty_tree_that_is_allowed_is_kept_as_a_commit_that_the_records_name"
    ),
    "A plan that would archive or delete more than 30 % of at least 10 assets refuses": (
        "tests/planning/test_prune_and_guard.py::test_a_plan_that_removes_many_assets_is_refused"
    ),
    "`rollback REV` plans that record's source commit": (
        "tests/engine/test_rollback.py::test_a_rollback_and_a_revert_give_the_same_state_and_run_nothing_again"
    ),
    "and holds CI ... off until main has a newer one": (
        "tests/engine/test_rollback.py::test_a_rolled_back_commit_is_held_until_a_newer_one_is_applied"
    ),
    "... and controller": "tests/controller/test_bounds.py::test_what_was_rolled_back_waits_for_a_newer_commit",
    "A failed action skips only what waits for it; everything else goes on": (
        "tests/engine/test_side_by_side.py::test_a_build_that_fails_skips_only_what_needs_it"
    ),
    "the next apply continues": (
        "tests/engine/test_environments.py::test_a_package_that_does_not_exist_fails_what_needs_it_and_nothing_else"
    ),
    "(no hook runs either)": "tests/git/test_work_tree_aside.py::test_no_hook_of_the_repository_runs",
    "Bad input gets file, line, column, what is wrong in the user's words and a hint": (
        "tests/cli/test_faults.py::test_what_is_wrong_in_a_file_is_said_with_its_place_and_nothing_is_registered"
    ),
    "all of it in one run": "tests/cli/test_faults.py::test_everything_that_is_wrong_is_said_in_one_run",
    "never a traceback": ("tests/format/test_assets.py::test_any_file_gives_an_asset_or_a_diagnostic_and_never_raises"),
    "Costs grow with what changed": (
        "tests/cli/test_narrowed.py::test_one_edit_reads_what_follows_from_it_and_nothing_else"
    ),
    "the plan body is remembered by (workspace tree, `current/` tree, tool version)": (
        "tests/source/test_recall.py::test_every_change_of_what_a_plan_follows_from_makes_a_new_one"
    ),
    "so a plan where nothing changed reads no YAML": (
        "tests/cli/test_narrowed.py::test_nothing_is_read_where_nothing_changed"
    ),
}
# Where docs/architecture.md says, in these words, that and why it is otherwise.
OTHERWISE = {
    "A merge goes on iff the decision sets are equal.": "what is decided now and was not then is left out",
    '*waiting* ("job/train running 12 min")': "A plan knows no clock",
}
NOT_YET = ("In a pull request the *base* commit's `mlgit.yml` and policies rule; the head's are ... never obeyed.",)

# Notes each program that is started and each piece of code below the folder that is executed, then runs mlgit.
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
    cli.run()
finally:
    print(json.dumps(sorted(set(noted))), file=sys.stderr)
"""
TRAP = "import pathlib\npathlib.Path(__file__).with_name('sprung').touch()\n"


@pytest.fixture
def world() -> World:
    made = World()
    made.settle(small())
    return made


def saved(plan: Plan) -> SavedPlan:
    body = json.loads(json.dumps(plan_json.plan_body(plan, policy_of(small()))))
    return SavedPlan({"commit": "c", "digest": plan_body_digest(body), "tool": "1"}, body)


def planned(folder: Path, mlgit: Any, *options: str) -> dict[str, Any]:
    """Save the plan of HEAD; return the file."""
    out = folder.parent / "plan.json"
    assert mlgit("plan", "--ref", "HEAD", "-o", str(out), *options, cwd=folder).code == 0
    whole: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return whole


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


def test_what_is_otherwise_is_explained():
    page = " ".join((ROOT / "docs/architecture.md").read_text(encoding="utf-8").split())
    assert [words for words in OTHERWISE.values() if words not in page] == []


def test_an_envelope_says_where_a_plan_is_from(applied, mlgit):
    """An *envelope* (commit, state commit, tool version)."""
    envelope = planned(applied, mlgit)["envelope"]
    live = git(applied, "rev-parse", "refs/mlgit/small/default/live")
    assert (envelope["commit"], envelope["state"]) == (git(applied, "rev-parse", "HEAD"), live)
    assert envelope["tool"] == __version__


def test_a_body_has_the_tree_the_actions_with_their_reasons_what_they_reference_and_the_read_set(applied, mlgit):
    """And a *body* (workspace tree id, actions with reasons, resolved references, and the read set)."""
    edit(applied, "data/numbers.csv", "3\n", "4\n")
    commit(applied)
    body = planned(applied, mlgit)["body"]
    assert body["tree"] == git(applied, "rev-parse", "HEAD^{tree}")
    actions = {each["key"]: each for each in body["actions"]}
    assert actions["new-version data/numbers"]["changes"][0]["files"] == ["numbers.csv"]
    assert actions["submit job/sum"]["references"]["/inputs/numbers/path"] == "data/numbers@2"
    assert body["reads"].keys() == {"data/numbers", "environment/plain", "job/sum", "model/total"}


def test_a_merge_with_the_same_decisions_has_the_same_plan(small, mlgit):
    """A merge goes on iff the decision sets are equal: the commit and what else its tree holds do not count."""
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


def test_a_merge_that_comes_to_other_decisions_does_not_go_on(world):
    """A merge goes on iff the decision sets are equal."""
    described = edited("data/numbers.yml", "type:", "description: d\ntype:")
    both = edited("jobs/sum.yml", "factor: 2", "factor: 3", described)
    proposed = saved(world.plan(both))
    assert saved(world.plan(described)).digest != proposed.digest
    with pytest.raises(UserError, match="submit job/sum"):
        restrict_to_saved_plan(proposed, world.plan(described), world.live())
    more = edited("workspace.yml", "name:", "description: d\nname:", both)
    assert [str(action.key) for action in restrict_to_saved_plan(proposed, world.plan(more), world.live()).decisions] == [
        each["key"] for each in proposed.body["actions"] if Op(each["action"]).is_decision
    ]


def test_checks_of_pull_requests_never_refresh():
    """`--refresh` (...; never in pull-request checks)."""
    workflow = ROOT / "workspace-template/.github/workflows/mlgit.yml"
    steps = parse_yaml("mlgit.yml", workflow.read_bytes())[0].data["jobs"]["plan"]["steps"]
    commands = [step["run"] for step in steps if "mlgit plan" in step.get("run", "")]
    assert commands != []
    assert [command for command in commands if "--refresh" in command or "mlgit apply" in command] == []


def test_sources_keep_each_applied_commit_though_its_branch_is_deleted(small, mlgit):
    """`.../sources` keeps each applied commit reachable, so squash merges and deleted branches never lose it."""
    git(small, "switch", "--quiet", "--create", "feature")
    applied = commit(small, "feature", {"data/numbers.csv": "n\n9\n"})
    assert mlgit("apply", "--auto-approve", "--select", "data", cwd=small).code == 0
    never = commit(small, "never applied", {"data/numbers.csv": "n\n10\n"})
    git(small, "switch", "--quiet", "main")
    git(small, "branch", "--quiet", "-D", "feature")
    git(small, "reflog", "expire", "--expire=now", "--all")
    git(small, "gc", "--quiet", "--prune=now")
    there = subprocess.run(["git", "cat-file", "-e", never], cwd=small, check=False, capture_output=True)
    assert there.returncode != 0, "so what nothing keeps is gone"
    assert git(small, "show", f"{applied}:data/numbers.csv") == "n\n9"


@pytest.mark.parametrize("command", [("plan",), ("plan", "--format", "json"), ("validate",)], ids=" ".join)
def test_plan_and_validate_execute_nothing_from_the_repository(command, small):
    """`plan` and `validate` execute nothing from the repository: no build, no import, no shell."""
    places = ("sitecustomize.py", "yaml.py", "click.py", "setup.py", "conftest.py", "src/sum.py", "src/__init__.py")
    commit(small, "traps", dict.fromkeys(places, TRAP))
    write(small, {"jobs/__init__.py": TRAP, "environments/build.sh": "touch sprung\n"})
    ended = subprocess.run(
        [sys.executable, "-P", "-c", WATCHED, *command], cwd=small, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stderr.splitlines()[-1]) == ["git"]
    assert list(small.rglob("sprung")) == []
