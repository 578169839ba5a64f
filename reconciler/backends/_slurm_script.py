"""The batch script of a run on Slurm, as a function of its task and the settings of the backend.

Of a run on several nodes, it starts the first instance, and a second script the others, one on each other node.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reconciler.model import Json
from reconciler.model.tasks import Task

SLURM_LOG, CANCEL_FILE, STOP_FILE = "slurm.log", "cancel", "slurm-stop.txt"
INSTANCE_FILE = "instance.sh"
# Settings that are options of their names.
_OPTIONS = ("partition", "account", "qos", "reservation", "constraint", "nodelist", "exclude")
STAGING_SECONDS = 300  # before and after the command of a run with a limit of its own
_END_SECONDS = 60  # of the time of a run, for its end
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
_MEBIBYTE = 1 << 20
_STOP = """
# Slurm, and mlgit by a file, ask this shell to stop, which asks the runner; if it was Slurm, it says why, which it
# forgets within minutes. If this shell is killed, the runner stops, in a session of its own, which Slurm may not see.
# What a killed runner leaves is ended last.
# A job that is begun again has lost its run, which has another one then.
[ -z "$SLURM_RESTART_COUNT" ] || { echo "Restarts=$SLURM_RESTART_COUNT" > STOP; exit 1; }
runner= stopped=
stop() { stopped=1; [ -z "$runner" ] || kill -TERM "$runner"; }
trap stop TERM
"""
_START = """RUNNER --apart SPEC &
runner=$!
"""
_ADDRESS = """address=$(scontrol --oneliner show node "$SLURMD_NODENAME" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
"""
# The first instance asks the others to stop: srun would kill them.
_START_INSTANCES = f"""{_ADDRESS}srun --nodes=OTHERS --ntasks=OTHERS --ntasks-per-node=1 --relative=1 \\
  --kill-on-bad-exit=0 --wait=0 --input=none /bin/sh INSTANCE &
others=$!
RUNNER --step "$SLURM_JOB_ID" 0 "${{address:-$SLURMD_NODENAME}}" "$others" SPEC &
runner=$!
"""
_WAIT = """[ -z "$stopped" ] && [ ! -e CANCEL ] || stop
wait "$runner"; code=$?
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; code=$?; done
[ -z "$stopped" ] || [ -e CANCEL ] || scontrol --oneliner show job "$SLURM_JOB_ID" > STOP
[ "$code" -lt 128 ] || RUNNER --end FOLDER
"""
_END = """exit "$code"
"""
_END_INSTANCES = """seconds=0
while kill -0 "$others" 2>/dev/null && [ "$seconds" -lt 30 ]; do sleep 1; seconds=$((seconds + 1)); done
kill -TERM "$others" 2>/dev/null
"""
_INSTANCE = f"""#!/bin/sh
# One of the instances of a run but the first one, on the node that Slurm has chosen for it.
trap : TERM
number=$((SLURM_PROCID + 1))
{_ADDRESS}RUNNER --step "$SLURM_JOB_ID" "$number" "${{address:-$SLURMD_NODENAME}}" 0 SPEC
code=$?
[ "$code" -lt 128 ] || RUNNER --end-instance "$SLURM_JOB_ID" "$number" - 0 SPEC
exit "$code"
"""
_WORD = re.compile(r"\b(RUNNER|SPEC|CANCEL|STOP|FOLDER|OTHERS|INSTANCE)\b")


class TimeLimits(NamedTuple):
    """The limits of a run: in minutes for Slurm, in seconds for the command, which is ended first; None for none."""

    minutes: int | None
    seconds: float | None


def longest_minutes(time: str | None) -> int | None:
    """Return the minutes of ``time`` of a backend, such as ``12h``; None if it is not set."""
    return int(time[:-1]) * _MINUTES[time[-1]] if time else None


def time_limits(timeout: float | None, longest: str | None) -> TimeLimits:
    """Return the limits of a run with a time limit of its own, in seconds, and the longest that Slurm is asked for."""
    minutes = longest_minutes(longest)
    wanted = None if timeout is None else math.ceil((timeout + STAGING_SECONDS) / 60)
    if minutes is None:
        return TimeLimits(wanted, timeout)
    most = max(minutes * 60 - _END_SECONDS, minutes * 30)
    return TimeLimits(
        minutes if wanted is None else min(wanted, minutes), most if timeout is None else min(timeout, most)
    )


def find_memory(task: Task, settings: Mapping[str, Json]) -> str:
    """Return the memory that a run asks for on each of its nodes, as in ``16G``; "" for none."""
    if task.resources.memory:
        return f"{math.ceil(task.resources.memory / _MEBIBYTE)}M"
    return str(settings.get("memory") or "")


def make_script(task: Task, settings: Mapping[str, Json], folder: Path, runner: Sequence[str], spec_file: Path) -> str:
    """Return the script of a run in a folder; ``runner`` is the command that executes a spec."""
    lines = [f"#SBATCH --{name}={_quote(value)}" for name, value in _options(task, settings, folder)]
    others = task.resources.instances - 1
    parts = (_STOP, _START_INSTANCES, _WAIT, _END_INSTANCES, _END) if others else (_STOP, _START, _WAIT, _END)
    head = "\n".join(["#!/bin/sh", *lines, "#SBATCH --no-requeue"])
    return head + _fill_in("".join(parts), folder, runner, spec_file, others)


def make_instance_script(folder: Path, runner: Sequence[str], spec_file: Path) -> str:
    """Return the script that starts an instance of a run but the first one."""
    return _fill_in(_INSTANCE, folder, runner, spec_file)


def _fill_in(text: str, folder: Path, runner: Sequence[str], spec_file: Path, others: int = 0) -> str:
    words = {
        "RUNNER": shlex.join(runner),
        "SPEC": shlex.quote(str(spec_file)),
        "CANCEL": shlex.quote(str(folder / CANCEL_FILE)),
        "STOP": shlex.quote(str(folder / STOP_FILE)),
        "FOLDER": shlex.quote(str(folder)),
        "INSTANCE": shlex.quote(str(folder / INSTANCE_FILE)),
        "OTHERS": str(others),
    }
    return _WORD.sub(lambda match: words[match[0]], text)


def _options(task: Task, settings: Mapping[str, Json], folder: Path) -> Iterator[tuple[str, str]]:
    yield "job-name", task.token
    yield "comment", task.address
    yield "chdir", str(folder)
    yield "output", str(folder / SLURM_LOG).replace("%", "%%")
    yield "open-mode", "append"
    # All that sbatch is called with: for a list of names, Slurm waits for a login shell, and adds what that sets.
    yield "export", "ALL"
    yield "nodes", str(task.resources.instances)
    yield "ntasks", str(task.resources.instances)
    if task.resources.instances > 1:
        yield "ntasks-per-node", "1"
    yield from ((name, str(settings[name])) for name in _OPTIONS if settings.get(name))
    minutes = time_limits(task.resources.timeout, settings.get("time")).minutes
    if minutes is not None:
        yield "time", str(minutes)
    if cpus := task.resources.cpus or settings.get("cpus"):
        yield "cpus-per-task", str(cpus)
    if memory := find_memory(task, settings):
        yield "mem", memory
    if task.resources.gpus:
        yield "gres", f"gpu:{task.resources.gpus}"
    elif settings.get("gres"):
        yield "gres", str(settings["gres"])


def _quote(text: str) -> str:
    """Return the value of an option as sbatch reads it back: no text ends the line, or begins another option."""
    if text and all(character.isalnum() or character in "-_.,:/" for character in text):
        return text
    printable = "".join(character if character.isprintable() else " " for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
