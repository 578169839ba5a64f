"""How long a Ray cluster that mlgit makes takes to get from no node to two, beside `ray start` by hand.

    python benchmarks/ray_scaling.py [--turns 2] [--rounds 3]

There are two clusters of the same kind, three hosts each, of the tests: one is made by `mlgit apply` of a compute, the
other by `ray start`, with the options that the agents of mlgit give. Each has a head alone. Then the same two jobs are
submitted, each of which takes all processors of a host and ends only when the other one runs, too: both nodes are
started and used. In the cluster of mlgit its autoscaler has to notice that, and agents start the nodes; in the other,
`ray start` begins on both hosts at once when the jobs are submitted. Measured is from before that until both have
completed; then the nodes end. The clusters take turns, one way and then backwards, and are never there at once: Ray
looks for its like among the processes of the machine, which the hosts share.

Where Ray gives up to start on a host, which it does after 30 seconds on a busy machine, the round is said and not
counted, on either side: its time is that of the failure. It needs root. The last line is one JSON object; the exit
code is 1 over the limit.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_clusters import run

SCALING_LIMIT = 1.2
NODES, IDLE_SECONDS, PATIENCE_SECONDS = 2, 2, 240
ROOT = Path(__file__).parent.parent
# A job: it says that it runs, and waits for the others.
MEET = 'cd {folder} && touch {number} && until [ "$(ls | wc -l)" = {count} ]; do sleep 0.05; done'
# On the host of the head: submits jobs, and prints how long they took until all had completed.
SUBMIT = """
import json, sys, time, urllib.request
address, token, jobs, patience = sys.argv[1], open(sys.argv[2]).read(), json.loads(sys.argv[3]), float(sys.argv[4])
def ask(document=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if document is None else json.dumps(document).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(address + "/api/jobs/", data, headers), timeout=60))
began = time.monotonic()
for job in jobs:
    ask(job)
own = {job["submission_id"] for job in jobs}
while time.monotonic() < began + patience:
    rows = [row for row in ask() if row["submission_id"] in own]
    if any(row["status"] in ("FAILED", "STOPPED") for row in rows):
        sys.exit(f"a job has failed: {rows}")
    if all(row["status"] == "SUCCEEDED" for row in rows):
        nodes = {row["driver_node_id"] for row in rows}
        sys.exit(None if len(nodes) == len(own) and print(time.monotonic() - began) is None else f"on {nodes}")
    time.sleep(0.1)
sys.exit(f"the jobs do not run: {rows}")
"""
COUNT = """
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/api/v0/nodes?detail=1&limit=1000",
    headers={"Authorization": "Bearer " + open(sys.argv[2]).read()})
rows = json.load(urllib.request.urlopen(request, timeout=60))["data"]["result"]["result"]
print(sum(row["state"] == "ALIVE" and not row["is_head_node"] for row in rows))
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster of hosts, the first of which has its head; ``python`` is one of the hosts, not that of Ray.

    ``states`` returns what agents of mlgit say of its nodes.
    """

    hosts: Any
    folder: Path
    token: Path
    python: str
    states: Callable[[], set[str]] = set

    @property
    def address(self) -> str:
        return f"http://{self.hosts.hosts[0].address}:8265"

    def submit(self, processors: float) -> subprocess.Popen[str]:
        """Submit a job for each node, whose process prints how long they took."""
        meeting = Path(tempfile.mkdtemp(dir=self.folder))
        jobs = [
            {
                "submission_id": f"{meeting.name}-{number}",
                "entrypoint": MEET.format(folder=meeting, number=number, count=NODES),
                "entrypoint_num_cpus": processors,
            }
            for number in range(NODES)
        ]
        arguments = (self.address, str(self.token), json.dumps(jobs), str(PATIENCE_SECONDS))
        command = [*self.hosts.hosts[0].namespace.enter, self.python, "-c", SUBMIT, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_until_idle(self) -> None:
        """Wait until its head answers that it has no node."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        command = [*self.hosts.hosts[0].namespace.enter, self.python, "-c", COUNT, self.address, str(self.token)]
        while (done := subprocess.run(command, capture_output=True, text=True, check=False)).stdout.strip() != "0":
            if time.monotonic() > deadline:
                raise SystemExit(f"the head does not answer, or has nodes that do not end: {done.stdout}{done.stderr}")
            time.sleep(0.5)


def find_seconds(jobs: subprocess.Popen[str]) -> float:
    """Return how long jobs took; raise SystemExit if they did not run."""
    printed, _ = jobs.communicate()
    if jobs.returncode:
        raise SystemExit("the jobs of a cluster did not run on both nodes")
    return float(printed)


@contextmanager
def start_hosts(folder: Path) -> Iterator[Any]:
    """Start hosts."""
    hosts = importlib.import_module("services.ray_hosts").RayHosts(folder)
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.stop()


@contextmanager
def make_by_mlgit(folder: Path) -> Iterator[tuple[Cluster, Mapping[str, float]]]:
    """Make a cluster by `mlgit apply`; yield what its nodes have, too."""
    files_of_backend = importlib.import_module("reconciler.backends._ray_cluster_files").files_of_backend
    agent = importlib.import_module("reconciler.backends._ray_cluster_agent")
    files, python = files_of_backend(folder / "disk", "cluster"), importlib.import_module("services.ssh_node").PYTHON
    token = ""
    with start_hosts(folder / "hosts") as hosts:
        try:
            write_workspace(folder / "workspace", hosts, folder / "disk")
            run([sys.executable, "-P", "-m", "reconciler", "apply", "--auto-approve"], folder / "workspace")
            token = files.read()["token"]
            names = [f"node-{number}" for number in range(1, NODES + 1)]
            states = lambda: {str(files.read_state(name).get("state")) for name in names}  # noqa: E731
            yield Cluster(hosts, folder, files.token, python, states), files.read_state("node-1")["resources"]
        finally:
            for host in hosts.hosts:
                host.kill()
            if token:
                shutil.rmtree(agent.temporary_folder(token), ignore_errors=True)


def write_workspace(folder: Path, hosts: Any, disk: Path) -> None:
    """Write a workspace with the compute."""
    compute = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json",
        "name": "nodes",
        "type": "amlcompute",
        "min_instances": 0,
        "max_instances": NODES,
        "idle_time_before_scale_down": IDLE_SECONDS,
    }
    config = {
        "state": {"name": "scaled", "lineage": f"{2:032x}"},
        "store": {"path": ".mlgit/store"},
        "backends": {"cluster": hosts.settings(disk)},
        "compute": {"nodes": "cluster"},
        "secrets": {"key": {"from": "file:.secrets/key", "for": ["backend/cluster"], "fields": ["/private_key"]}},
    }
    (folder / ".secrets").mkdir(parents=True)
    (folder / ".secrets/key").write_text(hosts.key(), encoding="utf-8")
    (folder / ".secrets/key").chmod(0o600)
    (folder / ".gitignore").write_text(".secrets\n.mlgit\n", encoding="utf-8")
    (folder / "nodes.yml").write_text(json.dumps(compute), encoding="utf-8")
    (folder / "mlgit.yml").write_text(json.dumps(config), encoding="utf-8")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        run(["git", *command], folder)


def start_ray(cluster: Cluster, number: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Begin to start Ray on a host, as an agent does."""
    host = cluster.hosts.hosts[number]
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(cluster.token), "RAY_USAGE_STATS_ENABLED": "0"}
    common = ("--block", f"--node-ip-address={host.address}", "--disable-usage-stats", "--log-color=false")
    with (cluster.folder / f"host-{number}.log").open("ab") as log:
        return subprocess.Popen(
            [*host.namespace.enter, str(cluster.hosts.program), "start", *common, *arguments],
            env={"HOME": "/root", "PATH": "/usr/bin:/bin", "RAY_DISABLE_IMPORT_WARNING": "1", **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@contextmanager
def make_by_hand(folder: Path) -> Iterator[Cluster]:
    """Make a cluster by `ray start`, of a head alone."""
    with start_hosts(folder / "hosts") as hosts, tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as temporary:
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(os.urandom(32).hex(), encoding="utf-8")
        cluster = Cluster(hosts, folder, token, importlib.import_module("services.ssh_node").PYTHON)
        address = hosts.hosts[0].address
        options = ("--head", "--port=6379", "--dashboard-port=8265", f"--dashboard-host={address}", "--num-cpus=0")
        options += ("--num-gpus=0", "--object-store-memory=100000000", f"--temp-dir={temporary}/r")
        head = start_ray(cluster, 0, *options)
        try:
            cluster.wait_until_idle()
            yield cluster
        finally:
            for host in hosts.hosts:
                host.kill()
            head.wait()


def scale_by_mlgit(cluster: Cluster, resources: Mapping[str, float]) -> float | None:
    """Return how long jobs take that wait for nodes, None if Ray has given up to start one meanwhile."""
    jobs, has_failed = cluster.submit(resources["CPU"]), False
    while jobs.poll() is None:
        has_failed = has_failed or "waiting" in cluster.states()
        time.sleep(0.05)
    seconds = find_seconds(jobs)
    cluster.wait_until_idle()
    while cluster.states() != {"idle"}:
        time.sleep(0.2)
    return None if has_failed else seconds


def scale_by_hand(cluster: Cluster, resources: Mapping[str, float]) -> float | None:
    """Return how long jobs take whose nodes are started by hand, None if Ray gives up to start one."""
    options = (f"--num-cpus={resources['CPU']}", "--num-gpus=0", f"--memory={resources['memory']}")
    options = (f"--address={cluster.hosts.hosts[0].address}:6379", *options)
    jobs = cluster.submit(resources["CPU"])
    nodes = [start_ray(cluster, number, *options) for number in range(1, NODES + 1)]
    try:
        while jobs.poll() is None:
            if any(node.poll() is not None for node in nodes):
                jobs.kill()
                jobs.communicate()
                return None
            time.sleep(0.05)
        return find_seconds(jobs)
    finally:
        for node in nodes:
            node.send_signal(signal.SIGTERM)
        for node, host in zip(nodes, cluster.hosts.hosts[1:], strict=True):
            with suppress(subprocess.TimeoutExpired):
                node.wait(30)
            host.kill()
        cluster.wait_until_idle()


def measure_way(way: str, folder: Path, rounds: int, resources: dict[str, float]) -> list[float]:
    """Return how long it took in the rounds in which Ray has not given up; print them."""
    folder.mkdir()
    with ExitStack() as stack:
        if way == "by mlgit":
            cluster, found = stack.enter_context(make_by_mlgit(folder))
            resources.update(found)
            scale = scale_by_mlgit
        else:
            cluster, scale = stack.enter_context(make_by_hand(folder)), scale_by_hand
        taken = [scale(cluster, resources) for _ in range(rounds)]
    words = ", ".join("failed" if seconds is None else f"{seconds:.1f} s" for seconds in taken)
    print(f"ray: {NODES} nodes {way}: {words} (load {os.getloadavg()[0]:.1f})", flush=True)
    return [seconds for seconds in taken if seconds is not None]


def measure_scaling(folder: Path, turns: int, rounds: int) -> float:
    """Return how much longer a cluster of mlgit takes to get two nodes than `ray start` by hand; print the times."""
    seconds: dict[str, list[float]] = {"by mlgit": [], "by hand": []}
    resources: dict[str, float] = {}  # of a host, as mlgit has found them: the other cluster has the same
    for turn in range(turns):
        for way in seconds if turn % 2 == 0 else reversed(seconds):
            seconds[way] += measure_way(way, folder / f"{turn}-{way.replace(' ', '-')}", rounds, resources)
    if not all(seconds.values()):
        raise SystemExit("Ray has given up to start in every round: the machine is too busy")
    hand, own = (statistics.median(seconds[way]) for way in ("by hand", "by mlgit"))
    print(f"ray: {NODES} nodes by hand {hand:.1f} s, by mlgit {own:.1f} s: {own / hand:.2f} ({SCALING_LIMIT})")
    return own / hand


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the hosts have to end, too
    with tempfile.TemporaryDirectory() as top:
        ratio = measure_scaling(Path(top), options.turns, options.rounds)
    print(json.dumps({"ray_scaling": round(ratio, 3)}))
    return int(ratio > SCALING_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
