"""The files of a run that were removed: every command that needs them says so, and what is left to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from workspaces import commit

from reconciler.format.schemas import is_valid_for_schema

pytestmark = pytest.mark.slow

LOG, METRICS = "user_logs/std_log.txt", "metrics.jsonl"


def run_folder(folder: Path) -> Path:
    (path,) = (folder / ".mlgit/store/runs").iterdir()
    return path


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.fixture(params=["run", "runs", "runs-is-a-file", "log", "metrics"])
def removed(request, applied):
    """Remove files of a run; return the workspace and what was removed."""
    run = run_folder(applied)
    paths = {"run": run, "log": run / LOG, "metrics": run / METRICS}
    path = paths.get(request.param, run.parent)
    remove(path)
    if request.param == "runs-is-a-file":
        path.touch()
    return applied, request.param


def test_logs_and_metrics_name_the_folder_or_the_file_that_is_gone(removed, mlgit, golden):
    folder, name = removed
    for command, needs in (("logs", "log"), ("metrics", "metrics")):
        for options in ((), ("--follow",)) if command == "logs" else ((), ("--format", "json")):
            ended = mlgit("job", command, "sum", *options, cwd=folder)
            if name in {"log", "metrics"} - {needs}:
                assert (ended.code, ended.err) == (0, "")
            else:
                assert (ended.code, ended.out) == (1, "")
                golden(f"cli/run-files/{needs if name == needs else 'folder'}.txt", ended.err)


def test_drift_notes_the_files_that_are_gone_and_that_is_no_drift(removed, mlgit, golden):
    folder, name = removed
    ended = mlgit("drift", "--detailed-exitcode", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    golden(f"cli/run-files/drift-{name if name in {'log', 'metrics'} else 'folder'}.txt", ended.out)
    document = json.loads(mlgit("drift", "--format", "json", cwd=folder).out)
    assert is_valid_for_schema(document, "drift")
    assert [(drift["sort"], drift["local"]) for drift in document["drift"]] == [("run-files-gone", True)]


def test_nothing_else_needs_the_files_of_a_run_that_has_ended(removed, mlgit):
    folder, name = removed
    for command in (("status",), ("plan", "--refresh"), ("apply",), ("job", "list"), ("job", "wait", "sum")):
        assert (mlgit(*command, cwd=folder).code, command) == (0, command)
    shown = mlgit("job", "show", "sum", cwd=folder)
    assert shown.code == 0
    assert ("files_gone: " in shown.out) == (name not in {"log", "metrics"})
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 1
    if name != "runs-is-a-file":
        assert mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=folder).code == 0
        assert mlgit("job", "logs", "sum", cwd=folder).out == "total 6\n"


@pytest.mark.parametrize("file", [LOG, METRICS])
def test_a_file_that_cannot_be_read_is_named(applied, mlgit, file):
    path = run_folder(applied) / file
    path.unlink()
    path.mkdir()
    ended = mlgit("job", "logs" if file == LOG else "metrics", "sum", cwd=applied)
    assert ended.code == 1
    assert "cannot be read: Is a directory [run-files-unreadable]" in ended.err


def test_a_run_that_has_written_nothing_says_so_and_is_no_error(small, mlgit):
    commit(small, "silent", {"src/sum.py": "pass"})
    assert mlgit("apply", "--auto-approve", "--wait", cwd=small).code == 0
    ended = mlgit("job", "logs", "sum", cwd=small)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.endswith(" is completed and has written nothing\n")
    assert mlgit("job", "metrics", "sum", cwd=small).out.endswith(" has logged no metrics\n")
