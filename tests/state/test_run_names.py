"""What a run of the live state is called becomes a path of its backend, which never leads out of the store."""

from __future__ import annotations

import json

import pytest
from workspaces import git, put

pytestmark = pytest.mark.slow

REF = "refs/mlgit/small/default/live"
NO_FILE_NAMES = ["", "..", "../secret", "/etc/passwd", "a\0b", "x" * 256]
COMMANDS = [
    *(("status",), ("plan", "--refresh"), ("job", "show", "sum"), ("job", "logs", "sum"), ("job", "metrics", "sum")),
    *(("job", "cancel", "sum"), ("job", "wait", "sum"), ("apply", "--auto-approve")),
]


@pytest.fixture
def run_file(applied):
    """Return the path of the record of a run in the live state, and the record without its handle, as running."""
    names = git(applied, "ls-tree", "-r", "--name-only", REF).split("\n")
    (name,) = (name for name in names if name.startswith("history/job/") and "/sum" in name)
    run = json.loads(git(applied, "show", f"{REF}:{name}"))
    return name, {key: value for key, value in run.items() if key != "outputs"} | {"status": "running"}


@pytest.mark.parametrize("field", ["id", "token"])
@pytest.mark.parametrize("text", NO_FILE_NAMES, ids=lambda text: repr(text[:12]))
def test_an_id_or_a_token_that_is_no_file_name_is_a_corrupt_state(applied, mlgit, run_file, field, text):
    name, run = run_file
    put(applied, name, {**run, field: text})
    for command in COMMANDS[1:3]:
        ended = mlgit(*command, cwd=applied)
        assert ended.code == 1, (command, ended.out)
        assert "[state-corrupt]" in ended.err, (command, ended.err)


@pytest.mark.parametrize("text", NO_FILE_NAMES[1:3], ids=lambda text: repr(text[:12]))
def test_no_command_leaves_the_folder_of_the_runs_for_a_handle(applied, mlgit, run_file, text):
    """A handle is the backend's own word; for this one it is the name of a folder."""
    name, run = run_file
    outside = applied.parent / "secret"
    outside.mkdir()
    for file in ("log", "metrics.jsonl", "result.json", "spec.json", "supervisor.json"):
        (outside / file).write_text('{"status": "completed", "outputs": {}, "pid": 1, "host": "x"}', "utf-8")
    put(applied, name, {**run, "handle": {"provider": "local", "id": text.replace("../secret", str(outside))}})
    for command in COMMANDS:
        ended = mlgit(*command, cwd=applied)
        assert ended.code in {0, 1}, (command, ended.err)
        assert "pid" not in ended.out, command
    assert len(list(outside.iterdir())) == 5
