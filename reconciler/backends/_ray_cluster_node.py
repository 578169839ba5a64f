"""What makes and removes a Ray cluster on one of its hosts, as the program of a node: files, and the agent there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from typing import Any

import reconciler
from reconciler.backends._local_capacity import core_count, device_names
from reconciler.backends._node_messages import Message, error_document
from reconciler.backends._ray_cluster_agent import (
    AGENT_MARK,
    CLUSTER_MARK,
    end_processes,
    has_agent,
    temporary_folder,
)
from reconciler.backends._ray_cluster_files import (
    HEAD,
    files_of_backend,
    is_local,
    make_autoscaler_settings,
    node_names,
)
from reconciler.backends._ray_cluster_network import close_network, find_entry, open_network
from reconciler.diagnostics import UserError, user_error
from reconciler.private_files import create_private_file, make_private_folder

Document = dict[str, Any]
_VERSION_SECONDS, _MAX_WORDS = 60.0, 300
_NOT_EXECUTED = (126, 127)  # what a shell ends with that cannot execute a program
_MEMORY_SHARE = 0.7  # of the memory of a host is for runs: Ray has the rest for itself and for objects
_AGENT = """
import sys
sys.path.insert(0, sys.argv[1])
from reconciler.backends._ray_cluster_agent import main
main(*sys.argv[2:])
"""


class ClusterHost:
    """The requests to a host, each a method; the settings have the name of the backend, and so of its cluster."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._files = files_of_backend(folder.resolve(), settings["name"])

    def answer(self, request: Document) -> Iterator[Message]:
        """Yield the answer to a request: an error if it fails."""
        try:
            yield Message(getattr(self, f"_{request['do']}")(request) or {})
        except UserError as error:
            yield Message(error_document(error))
        except OSError as error:
            message = f"{os.uname().nodename}: {error.filename or ''}: {error.strerror or error}"
            yield Message(error_document(user_error("file-unusable", message, "look at the disk of this machine")))

    def _read(self, request: Document) -> Document:
        """Return how the cluster with a token is, as its head and its other hosts say; empty if there is none."""
        cluster = self._files.read()
        if cluster.get("token") != request["token"]:
            return {}
        head = self._files.read_state(HEAD)
        return {
            "limits": cluster["limits"],
            "state": head.get("state", ""),
            "message": head.get("message", ""),
            "has_agent": self._has_agent_of_head(cluster),
            "silent": list(self._files.find_silent(cluster)),
            "waiting": self._files.find_waiting(cluster),
        }

    def _find(self, request: Document) -> Document:
        """Tell whether there are files of a cluster with a token, and whether its head was started."""
        has_files = self._files.read().get("token") == request["token"]
        return {"has_files": has_files, "was_started": has_files and bool(self._files.read_state(HEAD))}

    def _open(self, request: Document) -> None:
        """Make the files of a cluster; what is left of an earlier one of the backend ends.

        One that is alive stays: it is of another workspace, or of a state that was lost.
        """
        other = self._files.read()
        if other.get("token") != request["token"] and self._has_head(other, request["cluster"]["hosts"][0]):
            machine, folder = other["hosts"][0]["machine"], self._files.folder
            message = f"{folder} has a Ray cluster that is not of this workspace, and its head is alive on {machine}"
            hint = "give the backend another folder: or another name, or remove that cluster where it was made"
            raise user_error("cluster-exists", message, hint)
        self._end_cluster(other)
        shutil.rmtree(self._files.folder, ignore_errors=True)
        for folder in (self._files.folder.parent, self._files.folder, self._files.provider, self._files.host("")):
            make_private_folder(folder)
        create_private_file(self._files.token, request["secret"].encode())
        create_private_file(self._files.provider / "mlgit_hosts.py", request["provider"].encode())
        self._files.write(request["cluster"])

    def _has_head(self, cluster: Mapping[str, Any], host: Mapping[str, Any]) -> bool:
        """Return True if the head of a cluster is alive, which may be on another host than this one."""
        if not cluster or self._files.read_state(HEAD).get("state") in {"ended", "failed"}:
            return False
        if all(cluster["hosts"][0][name] == host[name] for name in ("machine", "address")):
            return self._has_agent_of_head(cluster)
        return not self._files.is_silent(HEAD)

    def _has_agent_of_head(self, cluster: Mapping[str, Any]) -> bool:
        """Return True if the agent of the head is alive, in a network that can be entered if it has its own."""
        return has_agent(self._files, HEAD) and (not is_local(cluster) or bool(find_entry(self._files)))

    def _resize(self, request: Document) -> None:
        """Set the nodes of a cluster on one machine, and how many share it: those that there are stay in the list."""
        cluster = self._files.read()
        hosts = max(cluster["hosts"], request["hosts"], key=len)
        self._files.write({**cluster, "hosts": hosts, "share": request["share"]})

    def _join(self, request: Document) -> None:
        """Start the agent of a host, unless it is alive: it is what starts Ray there."""
        name = request["name"]
        if self._files.read().get("token") != request["token"]:
            message = f"{os.uname().nodename} does not see the files of the Ray cluster in {self._files.folder}"
            raise user_error("cluster-host", message, "folder: names a folder that all hosts of the backend see")
        if is_local(self._files.read()):
            open_network(self._files)
        if has_agent(self._files, name):
            return
        end_processes(self._files, name)
        self._check_program(request["ray"])
        temporary = temporary_folder(request["token"])
        with suppress(FileExistsError):
            temporary.mkdir(mode=0o700)
        if temporary.lstat().st_uid != os.geteuid():
            message = f"{temporary} of {os.uname().nodename} belongs to another user"
            raise user_error("file-unusable", message, "remove it")
        temporary.chmod(0o700)
        self._files.write_state(name, {"state": "new", "message": "", "resources": find_resources()})
        self._files.beat(name)
        self._start_agent(name)

    def _start_agent(self, name: str) -> None:
        program, cluster = str(Path(reconciler.__file__).parents[1]), self._files.read()
        entry = find_entry(self._files) if is_local(cluster) else ()
        log = self._files.host(name).with_suffix(".agent.log")
        create_private_file(log)
        with log.open("ab") as output:
            subprocess.Popen(
                [*entry, sys.executable, "-I", "-S", "-c", _AGENT, program, str(self._files.folder), name],
                env={**os.environ, AGENT_MARK: str(self._files.host(name)), CLUSTER_MARK: cluster["token"]},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _check(self, request: Document) -> None:
        """Check that a cluster can be made here."""
        self._check_program(request["ray"])

    def _check_program(self, ray: str) -> None:
        """Raise UserError ``cluster-host`` if Ray cannot be executed, as of an environment that was moved."""
        name, problem = os.uname().nodename, ""
        if shutil.which(ray) is None:
            problem = f"{name} has no program {ray}"
        else:
            with suppress(subprocess.TimeoutExpired):  # on a busy machine: the start itself tells
                problem = _find_problem(ray)
                problem = problem and f"{ray} of {name} cannot be executed: {problem}"
        if problem:
            raise user_error("cluster-host", problem, "ray: of the backend names the program `ray` of its hosts")

    def _scale(self, request: Document) -> None:
        """Set what the cluster is to have, which Ray's autoscaler reads."""
        cluster = {**self._files.read(), "limits": request["limits"]}
        self._files.write(cluster)
        settings = make_autoscaler_settings(self._files.folder, cluster, self._files.resources())
        part = self._files.autoscaler.with_suffix(".part")
        create_private_file(part, settings.encode())
        part.replace(self._files.autoscaler)

    def _leave(self, request: Document) -> None:
        """End all that a cluster has started on a host."""
        if self._files.read().get("token") in (None, request["token"]):
            self._close_host(request["name"], request["token"])

    def _close(self, request: Document) -> None:
        """Remove a cluster: its agents end where they see that."""
        cluster = self._files.read()
        if cluster.get("token") == request["token"]:
            (self._files.folder / "cluster.json").unlink()
            self._end_cluster(cluster)
            shutil.rmtree(self._files.folder)

    def _end_cluster(self, cluster: Mapping[str, Any]) -> None:
        """End what a cluster has started on this host: the head, and all of its nodes if they are here too."""
        for name in reversed(node_names(len(cluster["hosts"]) if is_local(cluster) else 1)):
            self._close_host(name, str(cluster.get("token", "")))
        if is_local(cluster) and not close_network(self._files):
            raise self._endless()

    def _close_host(self, name: str, token: str) -> None:
        if not end_processes(self._files, name):
            raise self._endless()
        if token:
            shutil.rmtree(temporary_folder(token), ignore_errors=True)

    def _endless(self) -> UserError:
        message = f"processes of Ray do not end on {os.uname().nodename}"
        return user_error("cluster-host", message, "look for them with ps, then run the command again")


def _find_problem(ray: str) -> str:
    """Return why a program cannot be executed, "" if it can; raises TimeoutExpired."""
    try:
        ended = subprocess.run(
            [ray, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except OSError as error:
        is_interpreter = error.errno == ENOENT  # the program itself is there
        return "the interpreter that its first line names does not exist" if is_interpreter else str(error.strerror)
    if ended.returncode not in _NOT_EXECUTED:  # a script in its place may only know `start`
        return ""
    return (ended.stderr.decode("utf-8", "replace").strip().splitlines() or [""])[-1][-_MAX_WORDS:] or "a shell says so"


def find_resources() -> dict[str, float]:
    """Return what this machine has for runs, by Ray's names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpus = len(device_names(None))
    found: dict[str, float] = {"CPU": core_count(), "memory": int(memory * _MEMORY_SHARE)}
    return found | ({"GPU": gpus} if gpus else {})
