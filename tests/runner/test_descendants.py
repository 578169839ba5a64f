"""Processes that a command starts in other sessions: none is left at the end of a run, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from workspaces import has_ended, until

from reconciler.runner.descendants import find_marked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can adopt orphans")

RECORD = "echo $$ >> ../pids; exec sleep 300"
DAEMON = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    sys.exit()
os.setsid()
if os.fork():
    sys.exit()
os.chdir("/")
with open(sys.argv[1], "a") as file:
    print(os.getpid(), file=file, flush=True)
os.closerange(0, 100)
os.execv("/bin/sleep", ["sleep", "300"])
"""
# Ways to leave the process group of the command.
WAYS = {
    "setsid": f"setsid sh -c '{RECORD}' &",
    "setsid, and deaf to SIGTERM": f"setsid sh -c 'trap \"\" TERM; {RECORD}' &",
    "nohup in a subshell": f"(nohup setsid sh -c '{RECORD}' >/dev/null 2>&1 &)",
    "a daemon": "python daemon.py $PWD/../pids",
    "a daemon without variables": "env -i $(which python) daemon.py $PWD/../pids",
    "a session in a session": f"setsid sh -c 'setsid sh -c \"{RECORD}\" & wait' &",
}
WAIT = "until test -s ../pids; do sleep 0.02; done"


@pytest.fixture
def start_detached(bench: Any) -> Callable[[str], Any]:
    """Return a function that makes a command detach a process, and go on when it runs."""

    def make(way: str, then: str) -> Any:
        bench.spec["code"] = [bench.row("daemon.py", DAEMON)]
        bench.spec["command"] = f"{WAYS[way]}\n{WAIT}\n{then}"
        return bench

    return make


def test_a_process_without_children_looks_through_no_others() -> None:
    """A machine can have thousands, and this is done at the end of each run."""
    code = """
from reconciler.runner import descendants
descendants.find_descendants = None
descendants.kill_descendants(9, float("inf"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def pids(bench: Any) -> list[int]:
    return [int(line) for line in (bench.folder / "pids").read_text().split()]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("then", ["true", "exit 3", "kill -KILL $$"])
def test_the_end_of_a_command_leaves_no_process(way, then, start_detached):
    bench = start_detached(way, then)
    bench.run()
    assert pids(bench)
    assert all(map(has_ended, pids(bench)))


@pytest.mark.parametrize("way", WAYS)
def test_a_stopped_run_leaves_no_process(way, start_detached):
    bench = start_detached(way, "sleep 300")
    runner = bench.start(grace=0.5)
    until(lambda: (bench.folder / "pids").exists() and pids(bench))
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.result()["status"] == "canceled"
    assert all(map(has_ended, pids(bench)))


def test_a_time_limit_leaves_no_process(start_detached):
    bench = start_detached("setsid, and deaf to SIGTERM", "sleep 300")
    assert bench.run(timeout=2, grace=0.2)["failure"]["class"] == "timeout"
    assert all(map(has_ended, pids(bench)))


def test_a_detached_process_gets_sigterm_once_and_can_save_its_work(bench):
    script = (
        "import os, signal, sys, time\n"
        "os.setsid()\n"
        "def save(*_):\n    print('saving', flush=True); time.sleep(0.5); print('saved', flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "open('../pids', 'w').write(str(os.getpid()))\n"
        "time.sleep(300)\n"
    )
    bench.spec["code"] = [bench.row("save.py", script)]
    runner = bench.start(command=f"(python save.py &)\n{WAIT}\nsleep 300", grace=20)
    until(lambda: (bench.folder / "pids").exists() and pids(bench))
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.log() == "saving\nsaved\n"


def test_orphans_that_end_during_a_run_are_reaped(bench):
    bench.run(command="for i in 1 2 3 4 5; do (setsid true &); done; sleep 2.5; ps -o stat= --ppid $PPID > ../stats")
    states = (bench.folder / "stats").read_text().split()
    assert [state for state in states if state.startswith("Z")] == []


def test_the_processes_of_a_killed_runner_are_found_by_their_mark(start_detached):
    bench = start_detached("a daemon", "sleep 300")
    runner = bench.start()
    until(lambda: (bench.folder / "pids").exists() and pids(bench))
    runner.kill()
    runner.communicate()
    marked = find_marked(bench.folder)
    assert set(pids(bench)) < set(marked)
    for process in marked:
        with suppress(ProcessLookupError):  # the shell sleeps in children that end meanwhile
            os.kill(process, signal.SIGKILL)
    assert find_marked(Path("/somewhere/else")) == ()


@pytest.mark.parametrize("number", [35, 40, 64, *(signal.SIGSEGV, signal.SIGUSR1, signal.SIGRTMIN)])
def test_a_command_that_any_signal_ends_has_failed_by_its_own_doing(number, bench):
    failure = bench.run(command=f"kill -{int(number)} $$")["failure"]
    assert failure["class"] == "user"
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    assert (failure["signal"], failure["exit_code"]) == (name, None)
    assert f"the command was ended by {name}" in failure["message"]
    json.dumps(failure)
