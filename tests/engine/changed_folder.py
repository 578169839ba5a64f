"""A run that goes on while the folder of its backend is changed in mlgit.yml, by whole commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workspaces import APPLY, commit, edit, until


def assert_a_run_goes_on(workspace: Path, disk: Path, mlgit: Callable[..., Any], run_json: Callable[..., Any]) -> None:
    """Assert that the run of the small workspace ends where it was submitted; ``disk`` is the folder of its backend."""
    waiting = f"while not pathlib.Path({str(disk / 'go')!r}).exists(): time.sleep(0.1)\n"
    edit(workspace, "src/sum.py", "import pathlib, sys\n", f"import pathlib, sys, time\n{waiting}")
    commit(workspace)
    assert mlgit("apply", "--auto-approve", cwd=workspace).code == 0
    (run,) = run_json(workspace, "job", "list")
    until((disk / "runs" / run["run"] / "command.json").exists)
    edit(workspace, "mlgit.yml", f"folder: {disk}", f"folder: {disk}-2")
    commit(workspace)
    assert ("job/sum", "running") in [(row["address"], row["state"]) for row in run_json(workspace, "status")]
    (disk / "go").touch()
    ended = mlgit(*APPLY, cwd=workspace)
    assert ended.code == 0, ended.out + ended.err
    assert "model/total: version 1 from run sum-" in ended.out
    (run,) = run_json(workspace, "job", "list")
    assert run["status"] == "completed"
    assert mlgit("job", "logs", "sum", cwd=workspace).out == "total 6\n"
