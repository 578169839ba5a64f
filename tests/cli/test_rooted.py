"""What leads out of a workspace, by .. or by a link, is neither read nor written: a diagnostic says where that is."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from workspaces import APPLY, SMALL, commit, git, write

CANARY = "canary"
# An asset with errors on every line: each line would be shown in a code frame.
OUTSIDE = f"$schema: azureml/commandComponent.schema.json\n{CANARY}1: x\n{CANARY}2: [\n"
OUTSIDE_VALID = f"$schema: azureml/data.schema.json\ntype: uri_file\npath: {CANARY}\nname: {CANARY}\n"
FORMATS = ("text", "json", "github", "sarif")

JOB = "$schema: azureml/commandJob.schema.json\nname: out\ncommand: echo\ncompute: local\n"
PIPELINE = "$schema: azureml/pipelineJob.schema.json\ntype: pipeline\nname: p\njobs:\n  a:\n"
SWEEP = """\
    type: sweep
    trial: PATH
    compute: azureml:c
    sampling_algorithm: random
    search_space: {a: {type: choice, values: [1]}}
    objective: {goal: minimize, primary_metric: m}
    limits: {max_total_trials: 1}
"""
COMPONENT = "$schema: azureml/commandComponent.schema.json\ntype: command\nname: c\ncommand: echo\n"
SCHEDULE = "$schema: azureml/schedule.schema.json\nname: s\ntrigger: {type: cron, expression: 0 0 * * *}\n"
# Files that name PATH in all ways, and the line of the name.
MENTIONS = {
    "conda": ("$schema: azureml/environment.schema.json\nname: e\nimage: x\nconda_file: PATH\n", 4),
    "inline conda": (f"{JOB}environment:\n  image: x\n  conda_file: PATH\n", 7),
    "environment file": (f"{JOB}environment: file:PATH\n", 5),
    "component": (f"{PIPELINE}    component: PATH\n    compute: azureml:c\n", 6),
    "trial": (f"{PIPELINE}{SWEEP}", 7),
    "scheduled job": (f"{SCHEDULE}create_job: PATH\n", 4),
    "code": (f"{JOB}environment: azureml:plain@latest\ncode: PATH\n", 6),
    "data": ("$schema: azureml/data.schema.json\nname: d\ntype: uri_file\npath: PATH\n", 4),
    "include": (f"{COMPONENT}environment: azureml:plain@latest\nadditional_includes:\n  - PATH\n", 7),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Make a folder beside the workspace, with a file that must never be shown or changed."""
    folder = tmp_path / "outside"
    write(folder, {"bad.yml": OUTSIDE, "good.yml": OUTSIDE_VALID, "sub/bad.yml": OUTSIDE, "empty/.keep": ""})
    return folder


def snapshot(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.stat().st_ino)
        for path in sorted(folder.rglob("*"))
    }


def ways_out(small: Path, outside: Path) -> dict[str, str]:
    """Return paths from the folder ``x`` that lead to a file outside; the links are made."""
    links = {
        "x/link.yml": outside / "bad.yml",
        "x/relative.yml": Path("../../outside/bad.yml"),
        "x/chain.yml": Path("relative.yml"),
        "x/folder": outside,
        "x/up": Path("../.."),
    }
    (small / "x").mkdir(exist_ok=True)
    for link, target in links.items():
        (small / link).symlink_to(target)
    return {
        "..": "../../outside/bad.yml",
        "absolute": str(outside / "bad.yml"),
        "link": "link.yml",
        "relative link": "relative.yml",
        "chain of links": "chain.yml",
        "link to a folder": "folder/sub/bad.yml",
        "link to a folder above": "up/outside/bad.yml",
        "Git's own folder": "../.git/config",
    }


@pytest.mark.parametrize("mention", MENTIONS)
def test_a_path_in_a_file_that_leads_out_is_reported_at_its_place(small, outside, mlgit, mention):
    text, line = MENTIONS[mention]
    with (small / ".git/config").open("a", encoding="utf-8") as config:
        config.write(f"[{CANARY}]\n\tx = {CANARY}\n")
    ways = ways_out(small, outside)
    before = snapshot(outside)
    for number, path in enumerate(ways.values()):
        named = path if "/" in path else f"./{path}"
        write(small, {f"x/asset{number}.yml": text.replace("PATH", named)})
    for number, way in enumerate(ways):
        ended = mlgit("validate", f"x/asset{number}.yml", cwd=small)
        assert CANARY not in ended.out + ended.err
        places = [row for row in ended.out.splitlines() if row.startswith(f"x/asset{number}.yml:{line}:")]
        assert any("[path-outside]" in place or "[link-outside]" in place for place in places), (way, ended.out)
        assert ended.code == 1 or mention == "data"  # azure-ai-ml looks at a path of data when it uploads it
    for command in [("validate",), ("plan",), *(("validate", ".", "--format", form) for form in FORMATS)]:
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1, ended.err
        assert CANARY not in ended.out + ended.err
    assert snapshot(outside) == before


@pytest.mark.parametrize("command", [("validate",), ("fmt",), ("fmt", "--diff"), ("validate", "--format", "json")])
def test_a_path_on_the_command_line_that_leads_out_of_the_workspace_is_refused(small, outside, mlgit, command):
    write(outside, {"bad.yml": OUTSIDE_VALID, "sub/bad.yml": OUTSIDE_VALID})
    ways = ways_out(small, outside)
    before = snapshot(outside)
    for path in (*ways.values(), "../../outside", "folder", "folder/sub"):
        ended = mlgit(*command, path, cwd=small / "x")
        assert ended.code == 1
        assert "[path-outside]" in ended.err or "[link-outside]" in ended.err
        assert CANARY not in ended.out + ended.err
    assert snapshot(outside) == before


@pytest.mark.parametrize(
    "command",
    [
        ("validate", "."),
        ("validate", ".", "--format", "sarif"),
        ("validate",),
        ("fmt",),
        ("fmt", "--diff"),
        ("fmt", "."),
        ("plan",),
        ("init", "--here"),
        ("schema", "--write-editor-settings"),
    ],
)
def test_links_below_a_folder_that_lead_out_are_reported_and_not_followed(small, outside, mlgit, command):
    write(outside, {"bad.yml": OUTSIDE_VALID, "sub/bad.yml": OUTSIDE_VALID})
    ways_out(small, outside)
    if "init" in command:
        (small / "mlgit.yml").unlink()
    before = snapshot(outside)
    ended = mlgit(*command, cwd=small)
    assert CANARY not in ended.out + ended.err
    assert snapshot(outside) == before
    if command[0] in {"validate", "fmt", "plan"}:
        assert ended.code == 1
        output = ended.out + ended.err
        assert all(f"x/{name}" in output for name in ("link.yml", "relative.yml", "chain.yml"))
        assert "link-outside" in output


@pytest.mark.parametrize(
    "link", [".vscode", ".vscode/settings.json", ".vscode/mlgit-schemas", ".vscode/mlgit-schemas/job.schema.json"]
)
@pytest.mark.parametrize("is_there", [True, False])
def test_editor_settings_are_not_written_through_a_link_that_leads_out(small, outside, mlgit, link, is_there):
    target = outside / ("empty" if "." not in Path(link).name[1:] else "good.yml") if is_there else outside / "new"
    (small / link).parent.mkdir(parents=True, exist_ok=True)
    (small / link).symlink_to(target)
    before = snapshot(outside)
    for command in (("schema", "--write-editor-settings"), ("schema", "--write-editor-settings", str(small))):
        ended = mlgit(*command, cwd=small)
        # A link to a file is replaced only where that is below the root.
        assert (ended.code, snapshot(outside)) == (1, before), ended.err
        assert "[link-outside]" in ended.err
        assert CANARY not in ended.err


@pytest.mark.parametrize(
    "link", ["mlgit.yml", ".gitignore", ".github", ".github/workflows", ".github/workflows/mlgit.yml", ".vscode"]
)
@pytest.mark.parametrize("target", ["good.yml", "empty", "new"])
def test_a_folder_is_not_initialised_through_a_link_that_leads_out(tmp_path, outside, mlgit, link, target):
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet")
    (repository / link).parent.mkdir(parents=True, exist_ok=True)
    (repository / link).symlink_to(outside / target)
    before = snapshot(outside)
    ended = mlgit("init", "--here", cwd=repository)
    assert ended.code in {0, 1}, ended.err
    assert snapshot(outside) == before
    assert CANARY not in ended.out + ended.err


@pytest.mark.parametrize("link", [".mlgit", ".mlgit/store"])
def test_a_store_behind_a_link_that_leads_out_is_refused_at_its_line(small, outside, mlgit, link):
    (small / ".gitignore").write_text("", "utf-8")
    (small / link).parent.mkdir(parents=True, exist_ok=True)
    (small / link).symlink_to(outside / "empty")
    commit(small)
    before = snapshot(outside)
    for command in (("plan",), APPLY, ("validate",)):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "mlgit.yml:2:15: error: " in ended.out + ended.err
        assert "[store-outside]" in ended.out + ended.err
        assert snapshot(outside) == before


@pytest.mark.parametrize("target", ["good.yml", "new"])
def test_a_plan_is_not_saved_through_a_link_of_the_repository_that_leads_out(small, outside, mlgit, target):
    (small / "plan.json").symlink_to(outside / target)
    before = snapshot(outside)
    ended = mlgit("plan", "-o", "plan.json", cwd=small)
    assert ended.code == 1
    assert "[plan-not-written]" in ended.err
    assert snapshot(outside) == before
    assert mlgit("plan", "-o", str(outside / "plan.json"), cwd=small).code == 0  # a path that the user has typed
    assert json.loads((outside / "plan.json").read_text())["format"] == 1


def test_assets_are_not_imported_through_a_link_that_leads_out(applied, outside, mlgit):
    shutil.rmtree(applied / "data")
    (applied / "data").symlink_to(outside / "empty")
    commit(applied)
    before = snapshot(outside)
    ended = mlgit("import", "data/numbers", cwd=applied)
    assert ended.code in {0, 1}, ended.err
    assert snapshot(outside) == before


def test_a_configuration_behind_a_link_that_leads_out_is_not_read(small, outside, mlgit):
    shutil.move(small / "mlgit.yml", outside / "mlgit.yml")
    (small / "mlgit.yml").symlink_to(outside / "mlgit.yml")
    for command in (("plan",), ("validate",), APPLY):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "error: mlgit.yml is a symbolic link to" in ended.err
        assert "[link-outside]" in ended.err


def test_standard_input_leads_out_no_further_than_a_file(small, outside, mlgit, monkeypatch):
    class Input:
        buffer = io.BytesIO(
            b"$schema: azureml/environment.schema.json\nname: e\nimage: x\nconda_file: ../outside/bad.yml\n"
        )

    monkeypatch.setattr(sys, "stdin", Input)
    ended = mlgit("validate", "-", cwd=small)
    assert ended.code == 1
    assert "-:4:13: error: ../outside/bad.yml is outside the repository [path-outside]" in ended.out
    assert CANARY not in ended.out


def test_links_and_paths_that_stay_in_the_repository_are_followed(small, mlgit):
    write(
        small,
        {
            "shared/conda.yml": "dependencies: [python]\n",
            "w/mlgit.yml": SMALL["mlgit.yml"],
            "w/e.yml": "$schema: azureml/environment.schema.json\nname: e\nimage: x\nconda_file: ../shared/conda.yml\n",
            "w/sub/f.yml": "$schema: azureml/environment.schema.json\nname: f\nimage: x\nconda_file: link.yml\n",
        },
    )
    (small / "w/sub/link.yml").symlink_to("../../shared/conda.yml")
    for command in (
        ("validate",),
        ("validate", "e.yml", "sub"),
        ("validate", "."),
        ("validate", str(small / "w/e.yml")),
    ):
        ended = mlgit(*command, cwd=small / "w")
        assert ended.code == 0, ended.out
    (small / "w/g.yml").symlink_to("sub/f.yml")
    (small / "w/sub/f.yml").chmod(0o700)
    assert mlgit("fmt", "g.yml", cwd=small / "w").code == 0
    assert (small / "w/g.yml").is_symlink()
    assert (small / "w/sub/f.yml").stat().st_mode & 0o777 == 0o700


def test_a_file_outside_of_any_workspace_may_use_its_own_folder(tmp_path, mlgit):
    write(
        tmp_path,
        {
            "a/e.yml": "$schema: azureml/environment.schema.json\nname: e\nimage: x\nconda_file: conda.yml\n",
            "a/b/f.yml": "$schema: azureml/environment.schema.json\nname: f\nimage: x\nconda_file: ../conda.yml\n",
            "a/conda.yml": "dependencies: [python]\n",
            "elsewhere/.keep": "",
        },
    )
    elsewhere = tmp_path / "elsewhere"
    assert mlgit("validate", str(tmp_path / "a/e.yml"), cwd=elsewhere).code == 0
    assert mlgit("validate", "../a", cwd=elsewhere).code == 0
    assert mlgit("validate", "b/f.yml", cwd=tmp_path / "a").code == 0
    ended = mlgit("validate", "../a/b/f.yml", cwd=elsewhere)
    assert ended.code == 1
    assert "[path-outside]" in ended.out
