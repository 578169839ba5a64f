"""A Slurm cluster of two nodes on the loopback interface: no node sees the checkout of mlgit, nor what else is hidden.

It has a munge of its own. Both nodes are in one namespace of private mounts: they share a disk, as those of a cluster
do, and their jobs see processes of this machine, so that tests see what is left. Their addresses differ.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services import ray_program
from services.mounts import PrivateMounts, find_missing
from services.ports import free_ports
from services.ssh_node import CHECKOUT, PYTHON
from workspaces import until

from reconciler.backends import load_backend
from reconciler.model.backend import Backend

_ADDRESSES = {"n1": "127.0.0.2", "n2": "127.0.0.3"}
_PROGRAMS = ("/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch", "/usr/sbin/munged")
_ACCOUNTING_PROGRAMS = ("/usr/sbin/slurmdbd", "/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db", "/usr/bin/sacct")
# The partition `one` has one processor, so that a second run waits, and a job of `urgent` preempts those of `one`.
# A node that is silent is down after seconds.
_CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/{task}
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters={consumed}
JobAcctGatherType=jobacct_gather/{gather}
FirstJobId={first}
AccountingStorageType=accounting_storage/{accounting}
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MessageTimeout=3
SlurmdTimeout=4
KillWait=12
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.2 Port={n1} CPUs=2 RealMemory=1000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.3 Port={n2} CPUs=1 RealMemory=1000
PartitionName=main Nodes=n1 Default=YES MaxTime=60 State=UP
PartitionName=both Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=1
PartitionName=one Nodes=n2 MaxTime=60 State=UP PriorityTier=1
PartitionName=urgent Nodes=n2 MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""
_OPTIONS = {"task": "none", "consumed": "CR_Core", "proctrack": "pgid", "gather": "none"}
# Of a cluster whose kernel kills what uses more memory than it asked for. Its jobs have numbers of their own, as their
# cgroups are named by them, on all clusters of this machine.
_MEMORY_OPTIONS = {"task": "cgroup", "consumed": "CR_Core_Memory", "proctrack": "cgroup", "gather": "cgroup"}
_CGROUP_CONFIG = "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n"
_CGROUPS = Path("/sys/fs/cgroup")
_DATABASE_INSTALL = ("--skip-test-db", "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M")
_DATABASE_OPTIONS = ("--skip-networking", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0")
_ACCOUNTING = """
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
"""
_DATABASE_CONFIG = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def _find_missing(programs: Sequence[str]) -> str:
    missing = [Path(program).name for program in programs if not Path(program).exists()]
    return f"{', '.join(missing)} of Slurm, munge and MariaDB not installed" if missing else find_missing()


MISSING = _find_missing(_PROGRAMS)
MEMORY_LIMIT_MISSING = (
    "" if os.access(_CGROUPS / "memory/cgroup.procs", os.W_OK) else "this machine has no cgroups of version 1 to write"
)
ACCOUNTING_MISSING = _find_missing((*_PROGRAMS, *_ACCOUNTING_PROGRAMS))


@dataclass
class SlurmCluster:
    """The cluster: its controller and its nodes ``n1`` and ``n2``, and its accounting with a database if it has one."""

    folder: Path
    has_accounting: bool = False
    has_memory_limit: bool = False
    _ports: list[int] = field(default_factory=lambda: free_ports(4))
    _mounts: PrivateMounts | None = None
    _database: subprocess.Popen[bytes] | None = None

    @property
    def _socket(self) -> Path:
        return self.folder / "mariadb.socket"

    @property
    def environment(self) -> dict[str, str]:
        """The variable by which Slurm's commands find the cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start; the checkout of mlgit is hidden from the nodes."""
        (self.folder / "state").mkdir(parents=True)
        values = dict(zip(("controller", "n1", "n2"), self._ports, strict=False))
        values |= {"accounting": "slurmdbd" if self.has_accounting else "none"}
        values |= _MEMORY_OPTIONS if self.has_memory_limit else _OPTIONS
        values |= {"first": self._ports[0] if self.has_memory_limit else 1}
        text = _CONFIG.format(folder=self.folder, host=os.uname().nodename.partition(".")[0], **values)
        text += _ACCOUNTING.format(folder=self.folder, port=self._ports[3]) if self.has_accounting else ""
        (self.folder / "slurm.conf").write_text(text, encoding="utf-8")
        if self.has_memory_limit:
            (self.folder / "cgroup.conf").write_text(_CGROUP_CONFIG, encoding="utf-8")
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
        options = [f"--{name}={self.folder / file}" for name, file in {**files, "seed-file": "munge.seed"}.items()]
        self._call("/usr/sbin/munged", "--force", *options)
        if self.has_accounting:
            self._start_database()
            self.start_accounting()
        self._mounts = PrivateMounts(self.folder, has_network=False)
        self._mounts.run("mount", "--make-rshared", "/")  # the nodes see what is hidden later
        if (ray_program.FOLDER / "ray").exists():
            self._mounts.show(ray_program.FOLDER.parent, self.ray_environment)
        self.hide(CHECKOUT)
        self.start_controller()
        for node in ("n1", "n2"):
            (self.folder / f"spool-{node}").mkdir()
            self.start_node(node)
        try:
            until(lambda: self.states() == {"idle"})
        except AssertionError as error:
            raise AssertionError("\n".join(log.read_text() for log in self.folder.glob("*.log"))) from error

    def _start_database(self) -> None:
        """Start MariaDB, for processes of this machine that find its socket."""
        data, name = self.folder / "database", f"--socket={self._socket}"
        self._call(
            "/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", *_DATABASE_INSTALL
        )
        files = {"pid-file": "mariadb.pid", "log-error": "mariadb.log"}
        options = [f"--{option}={self.folder / file}" for option, file in files.items()]
        command = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", name, "--user=root", *_DATABASE_OPTIONS]
        self._database = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, start_new_session=True)
        ping = ["/usr/bin/mariadb-admin", "--no-defaults", name, "--user=root", "ping"]
        until(lambda: subprocess.run(ping, capture_output=True, check=False).returncode == 0)

    def start_accounting(self) -> None:
        """Start slurmdbd."""
        config = self.folder / "slurmdbd.conf"
        config.write_text(_DATABASE_CONFIG.format(folder=self.folder, port=self._ports[3]), encoding="utf-8")
        config.chmod(0o600)
        self._call("/usr/sbin/slurmdbd")
        until(lambda: _is_listening("127.0.0.1", self._ports[3]))

    def stop_accounting(self) -> None:
        """Stop slurmdbd."""
        self._kill("slurmdbd.pid")

    @property
    def ray_environment(self) -> Path:
        """Where the nodes find Ray, which may be in the checkout that is hidden from them."""
        return self.folder / "ray-environment"

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it has left."""
        self._call("/usr/sbin/slurmctld")

    def forget_jobs(self) -> None:
        """Let the controller forget its jobs, as it does minutes after their ends."""
        self.stop_controller()
        self._call("/usr/sbin/slurmctld", "-c")
        until(lambda: self.states() == {"idle"})

    def stop_controller(self) -> None:
        """Stop slurmctld, which saves its state before it ends; it starts with one of seconds ago if it is killed."""
        self._kill("slurmctld.pid", signal.SIGTERM)

    def start_node(self, node: str) -> None:
        """Start slurmd of a node.

        It listens on the address that the name of this machine has for it then; srun on a node listens on 127.0.0.1,
        from where it calls the other node.
        """
        assert self._mounts
        hosts = self.folder / f"hosts-{node}"
        hosts.write_text(f"{_ADDRESSES[node]} {os.uname().nodename}\n127.0.0.1 localhost\n", encoding="utf-8")
        script = f"mount --bind {hosts} /etc/hosts && exec /usr/sbin/slurmd -N {node}"
        self._call(*self._mounts.enter, "unshare", "--mount", "--propagation=slave", "sh", "-c", script)
        until(lambda: _is_listening(_ADDRESSES[node], self._ports[("controller", "n1", "n2").index(node)]))
        name = f"slurmd-{node}.pid"
        process = until(lambda: (self.folder / name).exists() and self._read_pid(name))
        self._call("nsenter", "--mount", f"--target={process}", "umount", "/etc/hosts")

    def kill_node(self, node: str, process: int) -> None:
        """Kill slurmd of a node, and a process of a run with all that it descends from: none sees another end."""
        self._kill(f"slurmd-{node}.pid")
        doomed = set(_ancestors(process))
        runners = {words for one in doomed if (words := _read(one, "cmdline")).endswith(b"/spec.json\0")}
        for path in Path("/proc").iterdir():  # the runner is no child of the process that Slurm has started
            if path.name.isdecimal() and _read(int(path.name), "cmdline") in runners:
                doomed.update(_ancestors(int(path.name)))
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for one in doomed:
                with suppress(ProcessLookupError):
                    os.kill(one, number)

    def processes_of(self, node: str) -> list[int]:
        """Return what Slurm has started on a node for jobs, but for the commands of runs, which do not say so.

        Clusters of other test processes have nodes of the same names.
        """
        marks = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()}
        marked = []
        for path in Path("/proc").iterdir():
            with suppress(OSError):
                if path.name.isdecimal() and marks.issubset((path / "environ").read_bytes().split(b"\0")):
                    marked.append(int(path.name))
        return marked

    def states(self) -> set[str]:
        """Return the states of the nodes; none if the controller does not answer."""
        return set(self._call("/usr/bin/sinfo", "--noheader", "--format=%T", check=False).split())

    def jobs(self, format_: str = "%i") -> list[str]:
        """Return the jobs that wait or run."""
        return self._call("/usr/bin/squeue", "--noheader", f"--format={format_}").splitlines()

    def run(self, *command: str) -> str:
        """Run a command of Slurm and return what it prints."""
        return self._call(*command)

    def list_folder(self, path: Path) -> str:
        """Return what a node sees in a folder."""
        assert self._mounts
        return self._mounts.run("ls", "-A", str(path))

    def hide(self, path: Path) -> None:
        """Let the nodes see an empty folder in the place of one of this machine."""
        assert self._mounts
        self._mounts.hide(path)

    def restore(self) -> None:
        """Start what a test has stopped, and end all jobs."""
        if self.has_accounting and not (self.folder / "slurmdbd.pid").exists():
            self.start_accounting()
        if not (self.folder / "slurmctld.pid").exists():
            self.start_controller()
        for node in ("n1", "n2"):
            if not (self.folder / f"slurmd-{node}.pid").exists():
                self.start_node(node)
        self._call("/usr/bin/scancel", "--me", check=False)
        until(lambda: self.states() == {"idle"} and not self.jobs())

    def stop(self) -> None:
        """End the daemons."""
        for name in ("slurmd-n1.pid", "slurmd-n2.pid", "slurmctld.pid", "slurmdbd.pid", "munge.pid"):
            self._kill(name)
        if self._database:
            self._database.kill()
            self._database.wait(120)
        if self._mounts:
            self._mounts.stop()
        if self.has_memory_limit:
            _remove_cgroups()

    def _read_pid(self, name: str) -> str:
        """Return what a daemon has written into its pid file; it makes the file before it writes."""
        return (self.folder / name).read_text(encoding="utf-8").strip()

    def _kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill the daemon of a pid file, and wait until it has ended."""
        with suppress(FileNotFoundError, ProcessLookupError):
            process = int(until(lambda: self._read_pid(name)))
            os.kill(process, number)
            until(lambda: not Path(f"/proc/{process}").exists() or _is_zombie(process))
            (self.folder / name).unlink(missing_ok=True)

    def _call(self, *command: str, check: bool = True) -> str:
        variables = {**os.environ, **self.environment, "MYSQL_UNIX_PORT": str(self._socket)}
        done = subprocess.run(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=(log := (self.folder / "calls.log").open("a")), check=False, text=True,
        )  # fmt: skip
        log.close()
        assert not check or done.returncode == 0, (self.folder / "calls.log").read_text()
        return done.stdout


def _remove_cgroups() -> None:
    """Remove the cgroups of nodes in which nothing runs."""
    for node in _ADDRESSES:
        for top in _CGROUPS.glob(f"*/slurm_{node}"):
            for folder in sorted((top, *(path for path in top.rglob("*") if path.is_dir())), reverse=True):
                with suppress(OSError):  # those of another cluster
                    folder.rmdir()


def _is_listening(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def _ancestors(process: int) -> Iterator[int]:
    """Yield a process and what it descends from, but for the first process and this one."""
    while process > 1 and process != os.getpid() and (status := _read(process, "stat")):
        yield process
        process = int(status.rpartition(b")")[2].split()[1])


def _read(process: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/{name}").read_bytes()
    return b""


def _is_zombie(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return True


def open_slurm(folder: Path, notes: Path, **settings: Any) -> Backend:
    """Return the backend `slurm`, whose files are in a folder that the nodes and the tests see."""
    return load_backend({"type": "slurm", "folder": str(folder), "python": PYTHON, **settings}, notes)
