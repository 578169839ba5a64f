"""Jobs with a Ray cluster of their own by whole commands: each field of the distribution has an effect."""

from __future__ import annotations

import json

import pytest
from services.ports import free_ports
from services.ray_program import FOLDER, needs_ray
from workspaces import SMALL, commit

pytestmark = [pytest.mark.services, needs_ray]
PRINT_CLUSTER = """
import json, os, pathlib, ray

def read(path, read=pathlib.Path.read_bytes):
    try:
        return read(path)
    except OSError:  # it has ended meanwhile, or is of another user
        return b""

def find_addresses():
    token = b"RAY_AUTH_TOKEN_PATH=" + os.environb[b"RAY_AUTH_TOKEN_PATH"]
    processes = pathlib.Path("/proc").glob("[0-9]*")
    own = [process for process in processes if token in read(process / "environ").split(b"\\0")]
    links = {read(link, os.readlink) for process in own for link in (process / "fd").glob("*")}
    rows = [row.split() for name in ("tcp", "tcp6") for row in pathlib.Path("/proc/net", name).read_text().splitlines()]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links}

context = ray.init(logging_level="ERROR", log_to_driver=False)
cpus = sorted(node["Resources"].get("CPU", 0) for node in ray.nodes())
print(json.dumps([os.environ["RAY_ADDRESS"], context.dashboard_url, cpus, sorted(find_addresses())]))
"""
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: python print_cluster.py
    code: ../src
    environment: azureml:plain@latest
    environment_variables: {{PATH: "{path}"}}
    compute: local
    resources: {{instance_count: {instances}}}
    distribution: {distribution}
    """
# The loopback interface, as /proc/net has it, alone and as an address of version 6.
LOOPBACK = ["0000000000000000FFFF00000100007F", "0100007F"]
SMALL_STORE = "--object-store-memory=80000000"


@pytest.fixture
def run_job(small, mlgit):
    """Return a function that applies a job; it returns the plan, the log, and what is shown of the run."""

    def run(distribution, instances=1, path=f"{FOLDER}:/usr/bin:/bin"):
        fields = json.dumps(distribution)
        job = JOB.format(name="cluster", path=path, instances=instances, distribution=fields)
        config = SMALL["mlgit.yml"].replace("local: {type: local}", "local: {type: local, slots: 2}")
        commit(
            small, "a cluster", {"jobs/cluster.yml": job, "src/print_cluster.py": PRINT_CLUSTER, "mlgit.yml": config}
        )
        planned = mlgit("plan", cwd=small).out
        mlgit("apply", "--auto-approve", "--wait", cwd=small)
        return planned, mlgit("job", "logs", "cluster", cwd=small).out, mlgit("job", "show", "cluster", cwd=small).out

    return run


def test_a_job_says_where_its_cluster_is_and_what_its_nodes_have(run_job):
    port, dashboard_port = free_ports(2)
    planned, log, _ = run_job(
        {
            "type": "Ray",
            "port": port,
            "include_dashboard": True,
            "dashboard_port": dashboard_port,
            "head_node_additional_args": f"--num-cpus=3 {SMALL_STORE}",
            "worker_node_additional_args": f"--num-cpus 2 {SMALL_STORE}",
        },
        instances=2,
    )
    assert "ray of its environment starts a cluster for the run, on the loopback interface" in planned
    assert "all instances are processes of this machine, each with a slot of the compute" in planned
    addresses = f"127.0.0.1:{port}", f"127.0.0.1:{dashboard_port}"
    assert json.loads(log.splitlines()[-1]) == [*addresses, [2, 3], LOOPBACK]


def test_a_job_that_says_nothing_of_its_cluster_has_one_node_without_a_dashboard(run_job):
    _, log, _ = run_job({"type": "ray", "head_node_additional_args": SMALL_STORE})
    address, dashboard, cpus, bound = json.loads(log.splitlines()[-1])
    assert (address.partition(":")[0], bool(dashboard), len(cpus), bound) == ("127.0.0.1", False, 1, LOOPBACK)


def test_a_job_whose_environment_has_no_ray_fails_and_says_what_to_add(run_job):
    _, _, shown = run_job({"type": "ray"}, path="/usr/bin:/bin")
    assert "there is no ray, which starts the cluster of a job with distribution ray: add ray[default] to the" in shown
