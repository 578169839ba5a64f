"""Ray clusters that mlgit makes for a compute, on machines that it reaches by ssh."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from services.ssh_node import PYTHON
from workspaces import APPLY, SMALL, commit, edit, git, until, write

from reconciler.backends._ray_cluster_agent import temporary_folder
from reconciler.backends._ray_cluster_files import HEAD, files_of_backend

pytestmark = [pytest.mark.slow, pytest.mark.services]
_COMPUTE = """
    $schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
    name: nodes
    type: amlcompute
    min_instances: {least}
    max_instances: {most}
    idle_time_before_scale_down: {idle}
    """
_BOTH = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: both
    command: echo $RANK
    environment: azureml:plain@latest
    compute: azureml:nodes
    distribution: {type: pytorch}
    resources: {instance_count: 2}
    """
_BOUND = "secrets: {key: {from: 'file:.secrets/key', for: [backend/cluster], fields: [/private_key]}}\n"
_FILES = "clusters/backend-cluster"
_SECONDS = 120  # until a node has started on a busy machine
_ASK = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Path:
    """The folder that all hosts see."""
    return tmp_path_factory.mktemp("disk") / "mlgit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, ray_hosts, disk) -> Iterator[Path]:
    """The small workspace, whose job is on a cluster; its tests share the cluster, which is made once."""
    return make_workspace(tmp_path_factory.mktemp("workspace") / "small", ray_hosts, disk)


def make_workspace(folder, ray_hosts, disk) -> Path:
    """Make the small workspace in a folder, with a cluster on the machines."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    write(folder, SMALL)
    settings = json.dumps(ray_hosts.settings(disk))
    edit(folder, "mlgit.yml", "backends: {local: {type: local}}", f"{_BOUND}backends: {{cluster: {settings}}}")
    edit(folder, "mlgit.yml", '"*": local', '"*": cluster')
    edit(folder, "jobs/sum.yml", "compute: local", "compute: azureml:nodes")
    write(folder, {".gitignore": ".secrets\n.mlgit\n", ".secrets/key": ray_hosts.key()})
    (folder / ".secrets/key").chmod(0o600)
    declare(folder)
    return folder


def declare(folder, least=0, most=2, idle=5):
    """Declare the compute."""
    commit(folder, "compute", {"compute/nodes.yml": _COMPUTE.format(least=least, most=most, idle=idle)})


def applied(mlgit, folder, *options):
    """Apply, and return what was printed."""
    ended = mlgit(*APPLY, *options, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    return ended.out


class Nodes:
    """What the nodes of the cluster do, by its files."""

    def __init__(self, disk):
        self.folder = disk / _FILES

    def states(self):
        documents = (json.loads(path.read_text()) for path in sorted(self.folder.glob("hosts/node-*.json")))
        return [document["state"] for document in documents]

    def wait_for(self, *states):
        until(lambda: sorted(self.states()) == sorted(states), _SECONDS)


def test_the_plan_says_where_a_cluster_is_made_how_large_it_gets_and_who_reaches_it(folder, mlgit):
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    made = "+ compute/nodes: create, starts a Ray cluster, head on 127.0.0.1, 0 to 2 nodes on 127.0.0.1, 127.0.0.1\n"
    assert made in planned.out
    assert "(10.201.77.1, 10.201.77.2, 10.201.77.3): it does what those ask who have its token" in planned.out


def test_a_cluster_gets_a_node_for_a_job_and_loses_it_when_it_has_been_idle(folder, ray_hosts, disk, mlgit, run_json):
    printed = applied(mlgit, folder)
    assert "model/total: version 1 from run sum-" in printed
    assert mlgit("job", "logs", "sum", cwd=folder).out == "total 6\n"
    Nodes(disk).wait_for("idle", "idle")  # no command of mlgit runs meanwhile
    assert [len(host.processes()) for host in ray_hosts.hosts[1:]] == [1, 1]  # their agents
    assert "No changes" in mlgit("plan", cwd=folder).out
    token = disk / _FILES / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    search = ["grep", "-rlF", token.read_text(), str(folder), str(disk)]
    assert subprocess.run(search, capture_output=True, text=True, check=False).stdout.split() == [str(token)]
    asked = [PYTHON, "-c", _ASK, f"http://{ray_hosts.hosts[0].address}:8265/api/jobs/"]
    assert ray_hosts.hosts[1].run(*asked) == "401\n"  # without the token


def test_a_plan_of_what_has_changed_knows_the_cluster_that_there_is(folder, mlgit):
    applied(mlgit, folder)
    assert "No changes" in mlgit("plan", cwd=folder).out
    assert mlgit("show", "compute/nodes", cwd=folder).out.count("10.201.77.3") == 1
    other = (folder / "jobs/sum.yml").read_text().replace("name: sum", "name: more")
    (folder / "jobs/more.yml").write_text(other)
    planned = mlgit("plan", cwd=folder)
    assert "> first run of job/more on nodes (cluster)" in planned.out, planned.out + planned.err
    (folder / "jobs/more.yml").unlink()
    (folder / "compute/other.yml").write_text((folder / "compute/nodes.yml").read_text().replace("nodes", "other"))
    planned = mlgit("plan", cwd=folder)
    assert "makes one cluster, and both compute/nodes and compute/other are bound to it" in planned.out + planned.err
    (folder / "compute/other.yml").unlink()


def test_other_limits_are_an_update_in_place_and_hold_for_the_nodes_there_are(folder, ray_hosts, disk, mlgit):
    applied(mlgit, folder)
    head = set(ray_hosts.hosts[0].processes())
    declare(folder, least=1)
    assert "~ compute/nodes: update" in mlgit("plan", cwd=folder).out
    applied(mlgit, folder)
    Nodes(disk).wait_for("running", "idle")
    assert head & set(ray_hosts.hosts[0].processes())


def test_a_host_that_was_switched_off_is_drift_and_joins_again_while_a_job_waits_for_it(folder, ray_hosts, mlgit):
    declare(folder)
    applied(mlgit, folder)
    ray_hosts.hosts[2].kill()
    drift = "max_instances is 1, not 2: 127.0.0.1 gives no sign of life"
    until(lambda: drift in mlgit("drift", cwd=folder).out, 60)
    commit(folder, "job", {"jobs/both.yml": _BOTH})
    ended = mlgit("run", "jobs/both.yml", "--detach", cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    waits = "waits for 2 nodes with 1 CPU; 127.0.0.1 gives no sign of life"
    until(lambda: waits in mlgit("job", "show", "both", cwd=folder).out, _SECONDS)
    assert waits in mlgit("status", cwd=folder).out
    printed = applied(mlgit, folder)
    assert f"✓ compute/nodes: update in place, its provider has other settings: {drift}" in printed
    assert "✓ job/both: run both-" in printed
    assert len(ray_hosts.hosts[2].processes()) > 1
    assert "compute/nodes" not in mlgit("drift", cwd=folder).out
    (folder / "jobs/both.yml").unlink()
    commit(folder)
    applied(mlgit, folder)


def heads(hosts):
    """Return the processes that are the head of a cluster; others, such as idle workers, end by themselves."""
    found = set()
    for process in hosts.processes():
        with suppress(OSError):  # it has ended
            if b"gcs_server" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0]:
                found.add(process)
    return found


def test_a_cluster_of_another_workspace_stays_and_is_named(folder, ray_hosts, disk, mlgit, tmp_path):
    applied(mlgit, folder)
    running = heads(ray_hosts)
    assert running
    other = make_workspace(tmp_path / "other", ray_hosts, disk)
    for name in ("jobs/sum.yml", "models/total.yml"):
        (other / name).unlink()
    commit(other)
    refused = mlgit(*APPLY, cwd=other)
    assert refused.code == 1
    message = f"{disk / _FILES} has a Ray cluster that is not of this workspace, and its head is alive on 127.0.0.1"
    assert message in refused.out + refused.err
    assert heads(ray_hosts) == running
    assert "No changes" in mlgit("plan", cwd=folder).out
    settings = ray_hosts.settings(disk)
    turned = {**settings, "hosts": settings["hosts"][::-1]}  # its head would be on another machine
    edit(other, "mlgit.yml", json.dumps(settings), json.dumps(turned))
    commit(other)
    assert message in (ended := mlgit(*APPLY, cwd=other)).out + ended.err
    assert heads(ray_hosts) == running


def test_a_cluster_whose_head_was_killed_is_drift_and_made_again(folder, ray_hosts, disk, mlgit):
    applied(mlgit, folder)
    token = (disk / _FILES / "token").read_text()
    ray_hosts.hosts[0].kill()
    printed = mlgit("drift", cwd=folder).out
    assert (
        "compute/nodes: its provider no longer has it: the head of the Ray cluster on 127.0.0.1 has ended\n" in printed
    )
    assert "    apply creates it again\n" in printed
    applied(mlgit, folder)
    assert (disk / _FILES / "token").read_text() != token
    assert "No changes" in mlgit("plan", cwd=folder).out


def test_a_replacement_whose_head_cannot_be_reached_leaves_the_cluster_that_there_is(folder, ray_hosts, mlgit):
    applied(mlgit, folder)
    keys = [" ".join(ray_hosts.hosts[0].public(name).split()[:2]) for name in ("host", "other_host")]
    edit(folder, "mlgit.yml", *keys)
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert "replace because hosts of its cluster: host_key of 127.0.0.1 (10.201.77.1) changed" in ended.out
    assert (ended.code, "[backend-host-key]" in ended.out + ended.err) == (1, True)
    assert all(host.processes() for host in ray_hosts.hosts)
    edit(folder, "mlgit.yml", *reversed(keys))
    commit(folder)
    assert "No changes" in mlgit("plan", cwd=folder).out


def test_a_cluster_whose_head_is_gone_for_good_can_be_forgotten_and_made_on_other_hosts(folder, ray_hosts, disk, mlgit):
    applied(mlgit, folder)
    head, before = ray_hosts.hosts[0], (folder / "mlgit.yml").read_text()
    settings = ray_hosts.settings(disk)
    head.kill()
    head.cut()
    declare(folder, most=1)
    edit(folder, "mlgit.yml", json.dumps(settings), json.dumps({**settings, "hosts": settings["hosts"][1:]}))
    commit(folder)
    assert (
        "compute/nodes: replace because hosts of its cluster: 127.0.0.1 (10.201.77.1)" in mlgit("plan", cwd=folder).out
    )
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    way_out = "if it is gone for good, `mlgit state rm compute/nodes` forgets it and the runs on it are lost"
    assert way_out in " ".join((ended.out + ended.err).split())
    assert way_out in " ".join(mlgit("drift", cwd=folder).out.split())
    assert mlgit("state", "rm", "compute/nodes", cwd=folder).code == 0
    files = files_of_backend(disk, "cluster")
    until(lambda: files.is_silent(HEAD), 60)
    assert "+ compute/nodes: create, starts a Ray cluster" in mlgit("plan", cwd=folder).out
    applied(mlgit, folder)
    assert "No changes" in mlgit("plan", cwd=folder).out
    head.join()
    (folder / "mlgit.yml").write_text(before)
    declare(folder)
    applied(mlgit, folder)


def test_a_cluster_is_removed_with_all_of_its_processes(folder, ray_hosts, disk, mlgit):
    applied(mlgit, folder)
    temporary = temporary_folder(json.loads((disk / _FILES / "cluster.json").read_text())["token"])
    assert temporary.is_dir()
    for name in ("compute/nodes.yml", "jobs/sum.yml", "models/total.yml"):
        (folder / name).unlink()
    commit(folder)
    assert "- compute/nodes" in mlgit("plan", cwd=folder).out
    temporary = temporary_folder(json.loads((disk / _FILES / "cluster.json").read_text())["token"])
    assert temporary.stat().st_mode & 0o777 == 0o700
    ray_hosts.hosts[2].cut()  # its agent sees what is removed
    applied(mlgit, folder, "--allow-mass-delete")
    until(lambda: not ray_hosts.processes(), 120)
    ray_hosts.hosts[2].join()
    assert list((disk / "clusters").iterdir()) == []
    assert not temporary.exists()


def test_a_host_without_ray_is_said_and_what_was_begun_can_be_finished_or_bound_to_another_backend(
    folder, ray_hosts, disk, mlgit
):
    for name in ("jobs/sum.yml", "models/total.yml"):
        (folder / name).unlink(missing_ok=True)
    edit(folder, "mlgit.yml", str(ray_hosts.program), "/nowhere/ray")
    declare(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "has no program /nowhere/ray" in ended.out + ended.err
    edit(folder, "mlgit.yml", "/nowhere/ray", str(ray_hosts.program))
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert "compute/nodes: create, its create did not finish" in planned.out
    assert "create not finished" in mlgit("status", cwd=folder).out
    edit(folder, "mlgit.yml", "backends: {", "backends: {local: {type: local}, ")
    edit(folder, "mlgit.yml", '"*": cluster', '"*": local')
    commit(folder)
    printed = applied(mlgit, folder)
    assert "✓ compute/nodes: replace because backend cluster -> local; its cluster is removed" in printed
    until(lambda: not ray_hosts.processes(), 120)
    assert "No changes" in mlgit("plan", cwd=folder).out
