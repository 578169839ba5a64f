"""mlgit rollback: an earlier commit is applied again, and nothing but a newer commit undoes that."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = pytest.mark.slow

BACK = ("rollback", "--auto-approve", "--wait")
EXTRA = {
    "data/extra.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
        name: extra
        type: uri_file
        path: numbers.csv
        """
}


@pytest.fixture
def moved_on(applied, mlgit):
    """Apply a second commit with changed data and one more asset."""
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    commit(applied, "on", EXTRA)
    assert mlgit(*APPLY, cwd=applied).code == 0
    return applied


def current(mlgit, folder):
    """Return the version or run of each live asset."""
    assets = json.loads(mlgit("list", "--format", "json", cwd=folder).out)
    return {asset["address"]: asset.get("version") or asset.get("run") for asset in assets}


def test_a_rollback_and_a_revert_give_the_same_state_and_run_nothing_again(moved_on, mlgit, run_json):
    newer, older = (git(moved_on, "rev-parse", revision) for revision in ("HEAD", "HEAD~1"))
    before = current(mlgit, moved_on)
    back = mlgit(*BACK, older[:10], cwd=moved_on)
    assert back.code == 0, back.err
    assert "data/extra" not in current(mlgit, moved_on)
    assert before["job/sum"] != current(mlgit, moved_on)["job/sum"]
    git(moved_on, "revert", "--no-edit", newer)
    reverted = mlgit(*APPLY, cwd=moved_on)
    assert reverted.code == 0, reverted.err
    assert reverted.out.startswith("No changes")
    assert "rolled back" not in mlgit("status", cwd=moved_on).out
    git(moved_on, "revert", "--no-edit", "HEAD")
    forward = mlgit(*APPLY, cwd=moved_on)
    assert forward.code == 0, forward.err
    assert current(mlgit, moved_on).keys() == before.keys()
    assert current(mlgit, moved_on)["job/sum"] == before["job/sum"]
    assert len(run_json(moved_on, "job", "list")) == 2
    assert mlgit("plan", cwd=moved_on).out.startswith("No changes. ")


def test_a_rolled_back_commit_is_held_until_a_newer_one_is_applied(moved_on, mlgit):
    older = git(moved_on, "rev-parse", "HEAD~1")
    assert mlgit(*BACK, "main~1", cwd=moved_on).code == 0
    refused = mlgit(*APPLY, cwd=moved_on)
    assert (refused.code, "[rolled-back]" in refused.err) == (1, True)
    assert "--allow-rewind" in refused.err
    edit(moved_on, "models/total.yml", "name:", "description: a sum\nname:")
    assert mlgit("plan", cwd=moved_on).out.endswith("\nCommit first, then apply this with `mlgit apply`.\n")
    git(moved_on, "checkout", "--quiet", "models/total.yml")
    for _ in range(2):  # planned, and from the cache
        assert "\n`mlgit apply` will refuse this plan: " in mlgit("plan", cwd=moved_on).out
    for command in ("plan", "status"):
        assert f"to {older[:10]} at " in mlgit(command, cwd=moved_on).out
    edit(moved_on, "models/total.yml", "name:", "description: the sum\nname:")
    commit(moved_on)
    assert "rolled back" not in (planned := mlgit("plan", cwd=moved_on).out)
    assert planned.endswith("\nApply this with `mlgit apply`.\n")
    newer = mlgit(*APPLY, cwd=moved_on)
    assert newer.code == 0, newer.err
    for command in ("plan", "status"):
        assert "rolled back" not in mlgit(command, cwd=moved_on).out


def test_an_ancestor_of_the_rolled_back_commit_is_held_too(moved_on, mlgit):
    between = git(moved_on, "rev-parse", "HEAD")
    edit(moved_on, "models/total.yml", "name:", "description: the sum\nname:")
    commit(moved_on)
    assert mlgit(*APPLY, cwd=moved_on).code == 0
    assert mlgit(*BACK, "HEAD~2", cwd=moved_on).code == 0
    git(moved_on, "checkout", "--quiet", between)
    assert "[rolled-back]" in mlgit(*APPLY, cwd=moved_on).err
    git(moved_on, "checkout", "--quiet", "HEAD~1")
    assert mlgit(*APPLY, cwd=moved_on).code == 0


def test_a_rollback_to_the_rolled_back_commit_undoes_it(moved_on, mlgit):
    before = current(mlgit, moved_on)
    assert mlgit(*BACK, "main~1", cwd=moved_on).code == 0
    undone = mlgit(*BACK, "main", cwd=moved_on)
    assert undone.code == 0, undone.err
    assert current(mlgit, moved_on).keys() == before.keys()
    assert mlgit("status", cwd=moved_on).out.find("rolled back") == -1
    assert mlgit(*APPLY, cwd=moved_on).code == 0


def test_allow_rewind_applies_a_rolled_back_commit(moved_on, mlgit):
    assert mlgit(*BACK, "main~1", cwd=moved_on).code == 0
    assert mlgit(*APPLY, "--allow-rewind", cwd=moved_on).code == 0
    assert "rolled back" not in mlgit("status", cwd=moved_on).out
    assert mlgit(*APPLY, cwd=moved_on).code == 0


@pytest.mark.parametrize(
    ("revision", "code"), [("~0", "rollback-nowhere"), ("v9", "revision-unknown"), ("~99", "revision-unknown")]
)
def test_a_revision_without_an_earlier_source_is_refused(revision, code, moved_on, mlgit):
    refused = mlgit(*BACK, revision, cwd=moved_on)
    assert (refused.code, f"[{code}]" in refused.err) == (1, True)


def test_one_step_back_is_the_previous_source_commit(moved_on, mlgit):
    newer, older = (git(moved_on, "rev-parse", revision) for revision in ("HEAD", "HEAD~1"))
    by_step = mlgit("rollback", "~1", "--wait", "--auto-approve", "--format", "json", cwd=moved_on)
    assert by_step.code == 0, by_step.err
    assert json.loads(by_step.out.splitlines()[0])["commit"] == older
    forward = mlgit("rollback", "~1", "--wait", "--auto-approve", "--format", "json", cwd=moved_on)
    assert json.loads(forward.out.splitlines()[0])["commit"] == newer


def test_a_rollback_writes_the_events_of_an_apply(moved_on, mlgit):
    ended = mlgit(*BACK, "main~1", "--format", "json", cwd=moved_on)
    assert ended.code == 0, ended.err
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert events[0]["commit"] == git(moved_on, "rev-parse", "HEAD~1")
    assert "apply-ended" in {event["type"] for event in events}


def test_the_history_has_the_rollback_and_its_plan(moved_on, mlgit):
    newer, older = (git(moved_on, "rev-parse", revision) for revision in ("HEAD", "HEAD~1"))
    assert mlgit(*BACK, "main~1", cwd=moved_on).code == 0
    entries = json.loads(mlgit("log", "--format", "json", cwd=moved_on).out)
    (back,) = [entry for entry in entries if entry["command"] == "rollback"]
    assert back["title"] == f"rollback: {newer[:10]} to {older[:10]}"
    assert back["source"] == older
    assert {entry["plan"] for entry in entries if entry["source"] == older} >= {back["plan"]}


def test_a_waiting_apply_stops_when_its_commit_is_rolled_back(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    edit(waiting.folder, "data/numbers.csv", "3\n", "3\n4\n")
    commit(waiting.folder)
    applying = mlgit_process(*APPLY, cwd=waiting.folder)
    next(line for line in applying.stdout if " is running" in line)
    back = mlgit("rollback", "--auto-approve", "main~1", cwd=waiting.folder)
    assert back.code == 0, back.err
    waiting.let_it_end()
    _, errors = applying.communicate(timeout=180)
    assert (applying.returncode, "[applied-meanwhile]" in errors) == (1, True)


def test_a_rollback_shows_its_plan_and_requires_approval(moved_on, mlgit, golden):
    refused = mlgit("rollback", "main~1", cwd=moved_on)
    assert (refused.code, "[approval-needed]" in refused.err) == (1, True)
    golden("cli/history/rollback-plan.txt", refused.out)
    assert "rolled back" not in mlgit("status", cwd=moved_on).out


@pytest.fixture
def clones(tmp_path, monkeypatch, mlgit):
    """Share a workspace of data, applied twice, between two clones; the second has never fetched the live state."""
    monkeypatch.setenv("MLGIT_HOST", "here")
    config = f"""
        state: {{name: small, lineage: "11111111111111111111111111111111", remote: origin}}
        store: {{path: {tmp_path / "store"}}}
        backends: {{local: {{type: local, host: here}}}}
        """
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    first, second = tmp_path / "first", tmp_path / "second"
    git(tmp_path, "clone", "--quiet", "remote.git", "first")
    commit(first, "start", {"mlgit.yml": config, "data/extra.csv": "1", **_data("first")})
    assert mlgit(*APPLY, cwd=first).code == 0
    commit(first, "on", _data("second"))
    ended = mlgit(*APPLY, cwd=first)
    assert ended.code == 0, ended.err
    git(first, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "remote.git", "second")
    return first, second


def _data(name):
    return {f"data/{name}.yml": EXTRA["data/extra.yml"].replace("extra", name).replace("numbers.csv", "extra.csv")}


def test_a_rollback_holds_in_every_clone(clones, mlgit):
    first, second = clones
    back = mlgit(*BACK, "main~1", cwd=first)
    assert back.code == 0, back.err
    assert "[rolled-back]" in mlgit(*APPLY, cwd=second).err
    assert "rolled back from" in mlgit("status", cwd=second).out
    commit(second, "newer", _data("third"))
    newer = mlgit(*APPLY, cwd=second)
    assert newer.code == 0, newer.err
    assert current(mlgit, first).keys() == {"data/first", "data/second", "data/third"}
    assert "rolled back" not in mlgit("status", cwd=first).out
    assert "rollback: " in mlgit("log", cwd=second).out


def test_assets_that_another_clone_applied_are_imported_and_compared(clones, mlgit):
    first, second = clones
    commit(second, "newer", _data("third"))
    assert mlgit(*APPLY, cwd=second).code == 0
    assert "+ data/third" in mlgit("diff", "main", cwd=first).out
    assert mlgit("import", "--all", cwd=first).code == 0
    commit(first)
    assert mlgit("plan", cwd=first).out.startswith("No changes. ")


def test_a_rollback_to_missing_content_fails(moved_on, mlgit):
    older = next(
        path for path in (moved_on / ".mlgit/store/files").rglob("*") if path.is_file() and path.read_bytes() == b"12.0"
    )
    content = older.read_bytes()
    older.unlink()
    before = current(mlgit, moved_on)
    back = mlgit(*BACK, git(moved_on, "rev-parse", "HEAD~1"), cwd=moved_on)
    assert back.code == 1
    assert "[content-missing]" in back.out
    assert "mlgit job rerun" in back.out
    assert current(mlgit, moved_on)["model/total"] == before["model/total"]
    older.write_bytes(content)
    assert mlgit(*APPLY, "--allow-rewind", cwd=moved_on).code == 0
