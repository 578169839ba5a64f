"""Jobs on a Slurm cluster that others than mlgit end: the kernel, for their memory, and people, by Slurm's commands."""

from __future__ import annotations

import json

import pytest
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, until

from reconciler.runner.descendants import find_marked

pytestmark = [pytest.mark.slow, pytest.mark.services]
_TAKE_MEMORY = "bytearray(b'x' * (300 << 20))"


@pytest.fixture
def disk(tmp_path_factory):
    """The folder that the nodes see."""
    return tmp_path_factory.mktemp("disk") / "mlgit"


def use(small, cluster, disk, settings=""):
    """Put the job of the small workspace, which the nodes do not see, on a cluster."""
    backend = f"{{type: slurm, folder: {disk}, python: {PYTHON}{settings}}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", f"backends: {{cluster: {backend}}}")
    edit(small, "mlgit.yml", '"*": local', '"*": cluster')
    commit(small)
    cluster.hide(small)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (_TAKE_MEMORY, ""),
        (
            f"import subprocess\nsubprocess.run([sys.executable, '-c', {_TAKE_MEMORY!r}], check=True)",
            "the command ended with exit code 1; ",
        ),
    ],
    ids=["command", "process that it starts"],
)
def test_a_run_that_uses_more_memory_than_it_asked_for_fails_and_says_how_much_that_was(  # noqa: PLR0913, PLR0917
    small, limited_slurm, disk, mlgit, run_json, script, reason
):
    edit(small, "src/sum.py", "import pathlib, sys\n", f"import pathlib, sys\n{script}\n")
    use(small, limited_slurm, disk, ", memory: 100M")
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    message = f"{reason}it used more memory than the 100M that it asked Slurm for: raise memory: of the backend"
    assert message in " ".join((ended.out + ended.err).split())
    (run,) = run_json(small, "job", "list")
    assert (run["status"], run["attempt"]) == ("failed", 1)
    assert message in mlgit("job", "list", cwd=small).out
    edit(small, "mlgit.yml", "memory: 100M", "memory: 800M")
    commit(small)
    ended = mlgit("job", "rerun", "sum", "--wait", "--auto-approve", cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert {run["status"] for run in run_json(small, "job", "list")} == {"failed", "completed"}


def test_a_run_that_somebody_cancels_with_scancel_is_canceled_and_not_repeated(small, slurm, disk, mlgit, run_json):
    edit(small, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(300)\n")
    use(small, slurm, disk)
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    (run,) = run_json(small, "job", "list")
    files = disk / "runs" / run["run"]
    until((files / "command.json").exists)
    slurm.run("scancel", json.loads((files / "job.json").read_text())["job"])
    until(lambda: run_json(small, "job", "list")[0]["status"] == "canceled")
    until(lambda: not find_marked(files))
    reason = "was canceled: its job was ended outside of mlgit, as with scancel; see"
    assert reason in mlgit("status", cwd=small).out
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    assert reason in ended.out + ended.err
    assert [run["status"] for run in run_json(small, "job", "list")] == ["canceled"]
