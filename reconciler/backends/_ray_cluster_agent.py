"""The agent of one host of a Ray cluster: it starts and ends Ray there, and says how it is, until there is no cluster.

It goes on when no command of mlgit runs. That of the head starts it once: when the head ends, all that the cluster knew
is lost, and the cluster has to be made anew. That of another host has a node while Ray's autoscaler wants one there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.backends._local_capacity import device_names
from reconciler.backends._ray_cluster_files import DASHBOARD_PORT, GCS_PORT, HEAD, ClusterFiles, is_local
from reconciler.diagnostics import UserError
from reconciler.private_files import create_private_file
from reconciler.regular_files import read_last_text
from reconciler.runner.descendants import find_descendants, find_marked, send_signal

AGENT_MARK, RAY_MARK = "MLGIT_RAY_AGENT", "MLGIT_RAY_HOST"
"""Variables of the environment by which the processes of a host are found again."""
CLUSTER_MARK = "MLGIT_RAY_CLUSTER"
"""The variable that says of which cluster an agent is: that of an earlier one may not have ended yet."""
_POLL_SECONDS, _STOP_SECONDS, _KILL_SECONDS = 0.5, 20.0, 20.0
_AUTOSCALER_SECONDS = "1"  # between two looks at what waits for nodes: by default five, as long as a node starts
_QUEUE_SECONDS = str(365 * 24 * 3600)  # that a job waits for a node before Ray gives it up: by default 15 minutes
_START_SECONDS, _MAX_STARTS = 240.0, 3  # of the head: on a busy machine its parts may wait for each other in vain
_FIRST_DELAY, _MAX_DELAY = 2.0, 60.0  # between two starts of a node
_OBJECTS_OF_HEAD = 100_000_000  # bytes: it runs nothing that has any
_LEAST_OBJECTS, _OBJECTS_SHARE = 80_000_000, 0.3  # as Ray has it by itself
_MAX_LOG, _MAX_WORDS = 1 << 16, 300


def temporary_folder(token: str) -> Path:
    """Return the folder of Ray on a host: short, as it has sockets, and one for each cluster."""
    return Path("/tmp") / f"mlgit-ray-{token[:12]}"  # noqa: S108 - made for its owner alone


def end_processes(files: ClusterFiles, name: str) -> bool:
    """Kill the agent of a host and all of Ray that it has started; return False if something does not end."""
    return _kill(files, name, AGENT_MARK, descendants=False) and _kill(files, name, RAY_MARK)


def has_agent(files: ClusterFiles, name: str) -> bool:
    """Return True if the agent of a host is alive; only asked on that host."""
    mark = f"{CLUSTER_MARK}={files.read().get('token')}"
    return bool(find_marked(files.host(name), mark, variable=AGENT_MARK))


def _kill(files: ClusterFiles, name: str, mark: str, *, descendants: bool = True) -> bool:
    """Kill what bears a mark, and what that has started: a run changes its environment."""
    deadline = time.monotonic() + _KILL_SECONDS
    while processes := find_marked(files.host(name), variable=mark):
        if time.monotonic() > deadline:
            return False
        started = [one for process in processes for one in find_descendants(process)] if descendants else []
        send_signal({*processes, *started}, signal.SIGKILL)
        time.sleep(0.05)
    return True


class Agent:
    """The agent of the host with a name."""

    def __init__(self, folder: Path, name: str) -> None:
        self._files, self._name = ClusterFiles(folder), name
        self._cluster = self._files.read()
        self._index = 0 if name == HEAD else int(name.rpartition("-")[2])
        self._process: subprocess.Popen[bytes] | None = None
        self._state, self._starts, self._started, self._delay = "", 0, 0.0, 0.0

    def serve(self) -> None:
        """Do what is wanted until the cluster is another one, or none."""
        try:
            while self._files.is_of(self._cluster["token"]):
                with suppress(OSError):  # of a disk that fails for a while
                    self._files.beat(self._name)
                    if self._step():
                        return
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()

    def _step(self) -> bool:
        """Do the next thing; return True if the agent has nothing more to do."""
        is_wanted = self._is_wanted()
        if self._process is None:
            if is_wanted and time.monotonic() >= self._started + self._delay:
                return self._start()
            if not is_wanted:
                self._write("idle")
        elif not is_wanted:
            self._end()
            self._write("idle")
        elif self._process.poll() is not None or self._is_late():
            return self._note_end()
        elif self._state != "running" and self._is_up():
            self._starts, self._delay = 0, 0.0
            self._write("running")
        return False

    def _is_wanted(self) -> bool:
        if self._name == HEAD:
            return True
        return self._name in self._files.read_wanted() and not self._files.is_silent(HEAD)

    def _is_late(self) -> bool:
        return self._state != "running" and time.monotonic() > self._started + _START_SECONDS

    def _note_end(self) -> bool:
        """Say why Ray has ended; return True if it is not to be started again."""
        was_running = self._state == "running"
        words = self._last_words()
        self._end()
        if self._name == HEAD and (was_running or self._starts >= _MAX_STARTS):
            self._write("ended" if was_running else "failed", words)
            return True
        self._delay = min(_MAX_DELAY, max(_FIRST_DELAY, 2 * self._delay))
        self._write("starting" if self._name == HEAD else "waiting", words)
        return False

    def _start(self) -> bool:
        """Start Ray; return True if it cannot be, and is not to be started again."""
        self._starts, self._started = self._starts + 1, time.monotonic()
        own = {
            RAY_MARK: str(self._files.host(self._name)),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._files.token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_IMPORT_WARNING": "1",
        }
        if self._name == HEAD:  # for its autoscaler
            own["PYTHONPATH"] = str(self._files.provider)
            own["AUTOSCALER_UPDATE_INTERVAL_S"] = _AUTOSCALER_SECONDS
            own["RAY_JOB_START_TIMEOUT_SECONDS"] = _QUEUE_SECONDS
        else:
            own |= self._visible_devices()
        environment = {key: value for key, value in os.environ.items() if key != AGENT_MARK}
        log = self._log()
        create_private_file(log)
        program = self._cluster["hosts"][self._index]["ray"]
        with log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    [program, "start", *self._arguments()],
                    env={**environment, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                output.write(f"{program} cannot be executed: {error.strerror}".encode())
        if self._process is None:
            return self._note_end()
        self._write("starting")
        return False

    def _arguments(self) -> Iterator[str]:
        address = self._cluster["hosts"][self._index]["address"]
        yield from ("--block", f"--node-ip-address={address}", "--disable-usage-stats", "--log-color=false")
        temporary = temporary_folder(self._cluster["token"]) / "r"  # Ray opens it to all, which that folder is not
        if self._name == HEAD:
            yield from ("--head", f"--port={GCS_PORT}", f"--dashboard-port={DASHBOARD_PORT}")
            yield from (f"--dashboard-host={address}", f"--temp-dir={temporary}", "--num-cpus=0", "--num-gpus=0")
            yield from (f"--object-store-memory={_OBJECTS_OF_HEAD}", f"--autoscaling-config={self._files.autoscaler}")
            return
        resources = self._resources()
        yield f"--address={self._cluster['hosts'][0]['address']}:{GCS_PORT}"
        yield from (f"--num-cpus={resources['CPU']}", f"--num-gpus={resources.get('GPU', 0)}")
        yield f"--memory={resources['memory']}"
        if is_local(self._cluster):
            yield f"--object-store-memory={self._object_memory()}"

    def _resources(self) -> Mapping[str, float]:
        """Return what the node has by now: more nodes may share this machine than when the agent was started."""
        return self._files.resources_of(self._name, self._files.read())

    def _visible_devices(self) -> dict[str, str]:
        """Return the variable that shows a node its part of the GPUs of the machine; empty if it has all."""
        devices, count = device_names(None), int(self._resources().get("GPU", 0))
        if not is_local(self._cluster) or not devices:
            return {}
        first = (self._index - 1) * count % len(devices)
        return {"CUDA_VISIBLE_DEVICES": ",".join(devices[first : first + count])}

    def _object_memory(self) -> int:
        """Return how many bytes of objects a node holds: nodes share the memory that Ray would give one of them."""
        free = shutil.disk_usage("/dev/shm").free  # noqa: S108 - where Ray has its objects
        share = self._files.read()["share"]
        return int(
            max(_LEAST_OBJECTS, min(self._resources()["memory"] * _OBJECTS_SHARE, free // share * _OBJECTS_SHARE))
        )

    def _is_up(self) -> bool:
        """Return True if Ray has the node, and answers."""
        api = self._files.open_api()
        with suppress(UserError):
            if api is None:
                return False
            api.list_jobs()
            address = self._cluster["hosts"][self._index]["address"]
            return any(f"node:{address}" in resources for resources in api.list_nodes())
        return False

    def _end(self) -> None:
        """End Ray on this host: politely first, so that the others learn of it."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.terminate()
                self._process.wait(_STOP_SECONDS)
            _kill(self._files, self._name, RAY_MARK)
            self._process.wait()
            self._process = None

    def _write(self, state: str, message: str = "") -> None:
        if state == self._state:
            return
        self._state = state
        known = self._files.read_state(self._name)
        self._files.write_state(self._name, {**known, "state": state, "message": message})

    def _log(self) -> Path:
        return self._files.host(self._name).with_suffix(".log")

    def _last_words(self) -> str:
        """Return the last line with words that Ray has written."""
        text = read_last_text(self._log(), _MAX_LOG)
        lines = [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
        return lines[-1][-_MAX_WORDS:] if lines else ""


def main(folder: str, name: str) -> None:
    """Serve as the agent of a host."""
    Agent(Path(folder), name).serve()
