"""The actions and workflows as files: what they pin and grant, and that the page on CI says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import edit

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/ci.md").read_text("utf-8")
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / "workspace-template/.github/workflows").glob("*.yml"))
LEVELS = {"none": 0, "read": 1, "write": 2}


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return document


def steps() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in ACTIONS:
        yield from ((path, step) for step in load(path)["runs"]["steps"])
    for path in (*WORKFLOWS, *TEMPLATES):
        for job in load(path)["jobs"].values():
            yield from ((path, step) for step in job.get("steps", ()))


def called_jobs() -> Iterator[tuple[str, Mapping[str, str], Mapping[str, str]]]:
    """Yield the name of each job of a workspace, what its caller grants and what it asks for."""
    for path in TEMPLATES:
        for caller, job in load(path)["jobs"].items():
            called = ROOT / ".github/workflows" / re.sub(r".*/|@.*", "", job["uses"])
            for name, called_job in load(called)["jobs"].items():
                yield f"{caller} / {name}", job["permissions"], called_job["permissions"]


@pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS, *TEMPLATES], ids=lambda path: str(path.relative_to(ROOT)))
def test_actions_of_others_are_pinned_by_commit_and_their_version_is_said(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if re.match(r"\s*-? *uses:", line)]
    others = [line for line in lines if "$/" not in line and "OWNER/mlgit" not in line]
    assert [line for line in others if not re.search(r"@[0-9a-f]{40} # v\d+(\.\d+)*$", line)] == []


def test_no_expression_is_written_into_a_script():
    assert [str(path) for path, step in steps() if "${{" in step.get("run", "")] == []


def test_a_checkout_leaves_no_credentials_behind():
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_cache_is_restored_only_where_no_fork_can_have_filled_it():
    restoring = [
        (path.parent.name, step)
        for path, step in steps()
        if re.match("actions/cache(/restore)?@", step.get("uses", ""))
    ]
    assert [name for name, _ in restoring] == ["plan"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in restoring[0][1]["if"]


def test_what_a_workspace_grants_covers_what_the_jobs_ask_for():
    for name, granted, asked in called_jobs():
        missing = {scope for scope, level in asked.items() if LEVELS[level] > LEVELS[granted.get(scope, "none")]}
        assert missing == set(), name


def test_the_page_on_ci_has_the_permissions_of_each_job():
    rows = re.findall(r"(?m)^\|[^|]*\| `([\w-]+ / [\w-]+)` \|[^|]*\| ([^|]*) \|$", PAGE)
    stated = {name: dict(re.findall(r"`([\w-]+): (\w+)`", text)) for name, text in rows}
    assert stated == {name: asked for name, _, asked in called_jobs()}


def examples(first_line: str) -> list[str]:
    return re.findall(rf"```yaml\n({re.escape(first_line)}\n.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        (
            ".github/workflows/apply.yml",
            [
                ("actionlint", "-shellcheck=", "-pyflakes="),
                ("zizmor", "--offline", "--quiet"),
                ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
            ],
        ),
        (".gitlab-ci.yml", [("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci")]),
        (".pre-commit-config.yaml", [("pre-commit", "validate-config")]),
    ],
)
def test_the_examples_of_the_page_on_ci_are_valid(name, commands, tmp_path):
    [text] = examples(f"# {name}")
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    for program, *options in commands:
        command = [str(Path(sys.executable).parent / program), *options, str(path)]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_hook_of_pre_commit_is_valid_and_names_a_command_that_takes_files(tmp_path, mlgit):
    hooks = ROOT / ".pre-commit-hooks.yaml"
    command = [str(Path(sys.executable).parent / "pre-commit"), "validate-manifest", str(hooks)]
    assert subprocess.run(command, check=False).returncode == 0
    [hook] = yaml.safe_load(hooks.read_text("utf-8"))
    assert mlgit("init", "iris", cwd=tmp_path).code == 0
    files = [str(path.relative_to(tmp_path / "iris")) for path in sorted((tmp_path / "iris").rglob("*.yml"))]
    checked = [path for path in files if not re.search(hook["exclude"], path)]
    assert len(checked) < len(files)
    assert mlgit(*hook["entry"].split()[1:], *checked, cwd=tmp_path / "iris").code == 0
    edit(tmp_path / "iris", "jobs/train.yml", "command:", "comand:")
    assert mlgit(*hook["entry"].split()[1:], *checked, cwd=tmp_path / "iris").code == 1
