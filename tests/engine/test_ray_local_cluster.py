"""A Ray cluster that mlgit makes for a compute on this machine alone, in a network of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from services.ray_cluster import MISSING, PROGRAM
from services.ssh_node import PYTHON
from workspaces import APPLY, SMALL, commit, edit, git, until, write

from reconciler.backends import _ray_cluster_agent
from reconciler.backends._ray_cluster_agent import AGENT_MARK, RAY_MARK, temporary_folder
from reconciler.backends._ray_cluster_files import HEAD, ClusterFiles, files_of_backend, node_names
from reconciler.backends._ray_cluster_network import NETWORK_MARK, find_entry
from reconciler.runner.descendants import find_descendants, find_marked, send_signal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.skipif(bool(MISSING) and os.environ.get("CI") != "true", reason=MISSING),
]
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
    command: echo $RANK of $WORLD_SIZE
    environment: azureml:plain@latest
    compute: azureml:nodes
    distribution: {type: pytorch}
    resources: {instance_count: 2}
    """
_QUEUE_LIMIT = "RAY_JOB_START_TIMEOUT_SECONDS="
_SECONDS = 120  # until a node has started on a busy machine
_HOST = os.uname().nodename


class LocalCluster:
    """The cluster of the backend `cluster` in a folder, by its files and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = files_of_backend((folder / "disk").resolve(), "cluster")
        self.temporary = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        # With a higher priority its parts start also on a busy machine, where they wait for each other in vain.
        self.program = self.temporary / "ray"
        self.program.write_text(f'#!/bin/sh\nexec nice -n -10 {PROGRAM.parent}/python {PROGRAM} "$@"\n')
        self.program.chmod(0o755)

    def settings(self) -> str:
        """Return the settings of the backend."""
        own = {"type": "ray", "folder": str(self.folder / "disk"), "python": PYTHON, "ray": str(self.program)}
        return json.dumps(own)

    def processes(self) -> set[int]:
        """Return what is left of the cluster, in whatever session."""
        names = (*node_names(8), "network")
        marks = [(name, mark) for name in names for mark in (AGENT_MARK, RAY_MARK, NETWORK_MARK)]
        marked = {one for name, mark in marks for one in find_marked(self.files.host(name), variable=mark)}
        return {one for process in marked for one in (process, *find_descendants(process))}

    def states(self) -> list[str]:
        """Return the states of its nodes."""
        documents = (json.loads(path.read_text()) for path in sorted(self.files.folder.glob("hosts/node-*.json")))
        return [document["state"] for document in documents]

    def wait_for(self, *states: str) -> None:
        """Wait until its nodes have these states."""
        until(lambda: sorted(self.states()) == sorted(states), _SECONDS)

    def stop(self) -> None:
        """End what is left of it."""
        token = self.files.read().get("token")
        while left := self.processes():
            send_signal(left, signal.SIGKILL)
        shutil.rmtree(self.temporary)
        if token:
            shutil.rmtree(temporary_folder(token), ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[LocalCluster]:
    """The small workspace, whose job is on a cluster of this machine; its tests share the cluster."""
    assert not MISSING
    folder = tmp_path_factory.mktemp("workspace") / "small"
    folder.mkdir()
    cluster = LocalCluster(folder)
    try:
        git(folder, "init", "--quiet")
        write(folder, SMALL)
        edit(folder, "mlgit.yml", "backends: {local: {type: local}}", f"backends: {{cluster: {cluster.settings()}}}")
        edit(folder, "mlgit.yml", '"*": local', '"*": cluster')
        edit(folder, "jobs/sum.yml", "compute: local", "compute: azureml:nodes")
        write(folder, {".gitignore": ".mlgit\ndisk\n"})
        declare(folder)
        yield cluster
    finally:
        cluster.stop()


def declare(folder, least=0, most=2, idle=5):
    """Declare the compute."""
    commit(folder, "compute", {"compute/nodes.yml": _COMPUTE.format(least=least, most=most, idle=idle)})


def applied(mlgit, folder, *options):
    """Apply, and return what was printed."""
    ended = mlgit(*APPLY, *options, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    return ended.out


def test_the_plan_says_that_the_cluster_is_on_this_machine_and_that_its_runs_have_no_network(cluster, mlgit):
    planned = mlgit("plan", cwd=cluster.folder)
    assert planned.code == 0, planned.out + planned.err
    assert "+ compute/nodes: create, starts a Ray cluster on this machine, a head and 0 to 2 nodes\n" in planned.out
    note = (
        "compute/nodes: Ray gets a network of its own on this machine, which nothing outside reaches; its runs reach "
        "nothing outside either, and their files come and go through mlgit (compute/nodes.yml:3:7)"
    )
    assert note in " ".join(planned.out.split())


def test_a_job_gets_a_node_in_a_network_of_its_own_that_ends_when_it_has_been_idle(cluster, mlgit):
    printed = applied(mlgit, cluster.folder)
    assert "model/total: version 1 from run sum-" in printed
    assert mlgit("job", "logs", "sum", cwd=cluster.folder).out == "total 6\n"
    networks = {network_of(process) for process in cluster.processes()} - {""}
    assert len(networks) == 1
    assert network_of("self") not in networks
    cluster.wait_for("idle", "idle")  # no command of mlgit runs meanwhile
    (limit,) = {variable for process in cluster.processes() for variable in variables_of(process, _QUEUE_LIMIT)}
    assert int(limit.partition("=")[2]) >= 30 * 24 * 3600  # for which a run waits for a node
    assert "No changes" in mlgit("plan", cwd=cluster.folder).out
    assert "compute/nodes" not in mlgit("drift", cwd=cluster.folder).out


def variables_of(process, start):
    """Return the variables of a process whose names start so."""
    with suppress(OSError):
        words = Path(f"/proc/{process}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        return [word for word in words if word.startswith(start)]
    return []  # it has ended


def network_of(process):
    with suppress(OSError):
        return str(Path(f"/proc/{process}/ns/net").readlink())
    return ""  # it has ended


def test_a_job_on_two_nodes_shares_the_machine_with_itself(cluster, mlgit):
    applied(mlgit, cluster.folder)
    commit(cluster.folder, "job", {"jobs/both.yml": _BOTH})
    applied(mlgit, cluster.folder)
    assert sorted(re.findall(r"[01] of 2", mlgit("job", "logs", "both", cwd=cluster.folder).out)) == [
        "0 of 2",
        "1 of 2",
    ]
    (cluster.folder / "jobs/both.yml").unlink()
    commit(cluster.folder)
    applied(mlgit, cluster.folder)


def test_more_nodes_are_an_update_in_place(cluster, mlgit):
    applied(mlgit, cluster.folder)
    entry = find_entry(cluster.files)
    assert entry
    declare(cluster.folder, least=1, most=3)
    assert "~ compute/nodes: update" in mlgit("plan", cwd=cluster.folder).out
    applied(mlgit, cluster.folder)
    cluster.wait_for("running", "idle", "idle")
    assert find_entry(cluster.files) == entry
    declare(cluster.folder)
    applied(mlgit, cluster.folder)
    assert "No changes" in mlgit("plan", cwd=cluster.folder).out


def test_a_program_that_cannot_be_executed_leaves_the_cluster_that_there_is(cluster, mlgit):
    applied(mlgit, cluster.folder)
    before, entry = cluster.files.read(), find_entry(cluster.files)
    gone = cluster.temporary / "moved"
    gone.write_text("#!/nowhere/bin/python\n")
    gone.chmod(0o755)
    right = (cluster.folder / "mlgit.yml").read_text()
    for program, words in (
        (gone, f"{gone} of {_HOST} cannot be executed: the interpreter that its first line names does not exist"),
        (cluster.temporary / "none", f"{_HOST} has no program {cluster.temporary / 'none'}"),
    ):
        commit(cluster.folder, "wrong", {"mlgit.yml": right.replace(str(cluster.program), str(program))})
        ended = mlgit(*APPLY, cwd=cluster.folder)
        assert ended.code == 1
        assert f"{words} [cluster-host]" in ended.out + ended.err
        assert cluster.files.read() == before
        assert (find_entry(cluster.files), cluster.files.read_state(HEAD)["state"]) == (entry, "running")
    commit(cluster.folder, "right", {"mlgit.yml": right})
    applied(mlgit, cluster.folder)
    assert cluster.files.read() == before


def test_a_head_that_cannot_be_started_has_failed_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(_ray_cluster_agent, "_FIRST_DELAY", 0.0)
    files = ClusterFiles(tmp_path)
    host = {"machine": _HOST, "address": "127.0.0.1", "ray": str(tmp_path / "none")}
    files.host("").mkdir(parents=True)
    files.write({"token": "0" * 64, "hosts": [host], "limits": {}})
    _ray_cluster_agent.main(str(tmp_path), HEAD)
    state = files.read_state(HEAD)
    assert (state["state"], state["message"]) == (
        "failed",
        f"{tmp_path / 'none'} cannot be executed: No such file or directory",
    )


def on_other_machine(folder, *arguments):
    """Run mlgit as a machine of another name would that has the same files."""
    script = 'echo other > /proc/sys/kernel/hostname && exec "$@"'
    command = ["unshare", "--uts", "sh", "-c", script, "sh", sys.executable, "-m", "reconciler", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("arguments", [("--replace", "compute/nodes"), ()])
def test_another_machine_than_that_of_host_leaves_the_cluster_alone_and_says_whose_it_is(cluster, mlgit, arguments):
    applied(mlgit, cluster.folder)
    token, entry = cluster.files.read()["token"], find_entry(cluster.files)
    settings = (cluster.folder / "mlgit.yml").read_text()
    edit(cluster.folder, "mlgit.yml", '{"type": "ray"', f'{{"type": "ray", "host": {_HOST}')
    declare(cluster.folder, most=3)
    code, printed = on_other_machine(cluster.folder, "plan")
    assert (code, "~ compute/nodes: update in place, max_instances 2 -> 3" in printed) == (0, True), printed
    assert f"gets a network of its own on {_HOST}," in printed
    code, printed = on_other_machine(cluster.folder, *APPLY, *arguments)
    assert (code, "[all-elsewhere]" in printed) == (1, True), printed
    assert f"compute/nodes: can only be done on {_HOST}, which has the backend cluster" in printed
    assert on_other_machine(cluster.folder, "status")[0] == 0
    assert (cluster.files.read()["token"], find_entry(cluster.files)) == (token, entry)
    (cluster.folder / "mlgit.yml").write_text(settings)
    declare(cluster.folder)
    assert "No changes" in mlgit("plan", cwd=cluster.folder).out


def test_a_cluster_stands_as_recorded_if_host_names_another_machine_than_it_was_made_on(cluster, mlgit):
    applied(mlgit, cluster.folder)
    token, entry = cluster.files.read()["token"], find_entry(cluster.files)
    settings = (cluster.folder / "mlgit.yml").read_text()
    edit(cluster.folder, "mlgit.yml", '{"type": "ray"', '{"type": "ray", "host": other')
    declare(cluster.folder, most=3)
    elsewhere = f"the Ray cluster of the backend cluster is on {_HOST}, and this is another machine"
    code, printed = on_other_machine(cluster.folder, "drift")
    assert (code, f"compute/nodes: {elsewhere}; it stands as recorded" in printed) == (0, True), printed
    for arguments in ((), ("--replace", "compute/nodes")):
        code, printed = on_other_machine(cluster.folder, *APPLY, *arguments)
        assert (code, f"{elsewhere} [backend-unreachable]" in printed) == (1, True), printed
        assert f"help: run the command on {_HOST}, which host: of the backend names if it is set" in printed
        assert (cluster.files.read()["token"], find_entry(cluster.files)) == (token, entry)
    (cluster.folder / "mlgit.yml").write_text(settings)
    declare(cluster.folder)
    applied(mlgit, cluster.folder)
    assert "No changes" in mlgit("plan", cwd=cluster.folder).out


def test_a_cluster_that_ended_as_with_its_machine_is_drift_and_made_again(cluster, mlgit):
    applied(mlgit, cluster.folder)
    before = cluster.files.read()["token"]
    assert temporary_folder(before).is_dir()
    while left := cluster.processes():
        send_signal(left, signal.SIGKILL)
    printed = mlgit("drift", cwd=cluster.folder).out
    ended = f"compute/nodes: its provider no longer has it: the head of the Ray cluster on {_HOST} has ended\n"
    assert ended in printed
    assert mlgit("job", "logs", "sum", cwd=cluster.folder).out == "total 6\n"  # needs no cluster
    applied(mlgit, cluster.folder)
    assert cluster.files.read()["token"] != before
    assert "No changes" in mlgit("plan", cwd=cluster.folder).out
    assert not temporary_folder(before).exists()


def test_a_cluster_is_removed_with_its_processes_and_its_network(cluster, mlgit):
    applied(mlgit, cluster.folder)
    temporary = temporary_folder(cluster.files.read()["token"])
    assert temporary.is_dir()
    for name in ("compute/nodes.yml", "jobs/sum.yml", "models/total.yml"):
        (cluster.folder / name).unlink()
    commit(cluster.folder)
    assert "- compute/nodes" in mlgit("plan", cwd=cluster.folder).out
    applied(mlgit, cluster.folder, "--allow-mass-delete")
    assert cluster.processes() == set()
    assert not cluster.files.folder.exists()
    assert not temporary.exists()
