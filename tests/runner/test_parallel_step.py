"""Parallel steps: mini-batches of files, workers that fail, hang or are killed, and the results in order."""

from __future__ import annotations

import ast
import os
import random
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from workspaces import has_ended

import reconciler.runner.parallel
from reconciler.model.parallel_work import ParallelWork

_PROGRAM = Path(reconciler.runner.parallel.__file__).parent
_ECHO = """
import os

def run(mini_batch):
    return [os.path.basename(file) + "=" + open(file).read() for file in mini_batch]
"""


def prepare(bench: Any, script: str, files: int = 5, arguments: str = "", **settings: Any) -> dict[str, Any]:
    """Return the changes of a spec that make it a parallel step with a script and so many files: f000, f001, ..."""
    rows = [bench.row(f"f{number:03d}", str(number)) for number in range(files)]
    work = ParallelWork("entry.py", "data", **{"output": "lines", "concurrency": 2, "max_retries": 0, **settings})
    bench.spec["code"] = [bench.row("entry.py", script)]
    return {
        "command": arguments,
        "inputs": {"data": bench.files("uri_folder", "ro_mount", *rows)},
        "outputs": {"lines": {"type": "uri_file"}},
        "parallel": work.to_json(),
    }


def lines(bench: Any, name: str = "lines") -> list[str]:
    return (bench.folder / "outputs" / "lines" / name).read_text().splitlines()


def reason(result: dict[str, Any]) -> str:
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    message: str = result["failure"]["message"]
    return message


def test_what_run_returns_is_appended_in_the_order_of_the_input(bench: Any) -> None:
    script = f"import time\n{_ECHO}".replace(
        "    return", "    time.sleep(0.1 * (hash(mini_batch[0]) % 3))\n    return"
    )
    result = bench.run(**prepare(bench, script, 12, mini_batch_size=2))
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == [f"f{number:03d}={number}" for number in range(12)]
    assert result["metrics"] == {"mini_batches": 6.0, "mini_batches_done": 6.0, "mini_batches_failed": 0.0}
    assert "parallel: 12 files in 6 mini-batches, 2 worker processes" in bench.log()
    assert "parallel: 6 of 6 mini-batches done" in bench.log()
    assert not (bench.folder / "parallel" / "parts").exists()


def test_a_folder_gets_a_file_of_a_name(bench: Any) -> None:
    changes = {**prepare(bench, _ECHO, 2, file_name="all.txt"), "outputs": {"lines": {"type": "uri_folder"}}}
    assert bench.run(**changes)["status"] == "completed"
    assert lines(bench, "all.txt") == ["f000=0", "f001=1"]


def test_a_mini_batch_has_so_many_bytes(bench: Any) -> None:
    script = "def run(batch):\n    return [f'{len(batch)} files'] * len(batch)\n"
    changes = prepare(bench, script, 0, mini_batch_size=10, size_unit="bytes")
    rows = [bench.row(f"f{number}", "x" * size) for number, size in enumerate((4, 6, 1, 30, 5, 5))]
    changes["inputs"] = {"data": bench.files("uri_folder", "ro_mount", *rows)}
    assert bench.run(**changes)["status"] == "completed"
    assert [line[0] for line in lines(bench)] == list("221122")


def test_the_script_gets_its_arguments_and_is_begun_and_ended_in_each_worker(bench: Any) -> None:
    script = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--greeting")
seen = []

def init():
    seen.append(parser.parse_args().greeting)

def run(mini_batch):
    return [seen[0] for _ in mini_batch]

def shutdown():
    print("bye", len(seen))
"""
    assert bench.run(**prepare(bench, script, 1, "--greeting 'good day'"))["status"] == "completed"
    assert lines(bench) == ["good day"]
    assert "bye 1" in bench.log()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise ValueError('no number in ' + batch[0][-4:])", "ValueError: no number in f000 (run(), entry.py:3)"),
        ("return batch[1:]", "run() returned 0 results for 1 items"),
        ("return None", "TypeError: run() has to return a list, a tuple or a DataFrame; it returned None (run())"),
        ("raise SystemExit(3)", "SystemExit: 3 (run(), entry.py:3)"),
        ("import time; time.sleep(300)", "run() took longer than 4 s (retry_settings.timeout)"),
        ("import os; os._exit(4)", "its worker ended with exit code 4, 3 times"),
    ],
)
def test_a_failed_mini_batch_is_the_reason_of_the_step(bench: Any, body: str, expected: str) -> None:
    """The time limit is long enough for the other mini-batches on a busy machine."""
    script = f"def run(batch):\n    if batch[0].endswith('f000'):\n        {body}\n    return batch\n"
    limit = {"timeout": 4} if "sleep" in body else {}
    result = bench.run(**prepare(bench, script, mini_batch_error_threshold=0, **limit))
    counts = "1 of 5 mini-batches failed, mini_batch_error_threshold is 0"
    assert reason(result) == f"{expected}: {counts}"
    assert not (bench.folder / "outputs" / "lines" / "lines").exists()


_FAILING = (
    "def run(batch):\n    if int(open(batch[0]).read()) < 4:\n        raise ValueError('bad')\n    return batch\n"
)


@pytest.mark.parametrize(
    ("settings", "fails"),
    [
        ({}, False),
        ({"mini_batch_error_threshold": 2}, False),
        ({"mini_batch_error_threshold": 1}, True),
        ({"error_threshold": 4}, False),
        ({"error_threshold": 3}, True),
        ({"allowed_failed_percent": 40}, False),
        ({"allowed_failed_percent": 39.9}, True),
    ],
)
def test_failures_are_allowed_up_to_a_threshold(bench: Any, settings: dict[str, Any], *, fails: bool) -> None:
    result = bench.run(**prepare(bench, _FAILING, 10, mini_batch_size=2, **settings))
    if fails:
        assert reason(result).startswith("ValueError: bad (run(), entry.py:3): ")
    else:
        assert result["status"] == "completed"
        assert [line[-4:] for line in lines(bench)] == [f"f{number:03d}" for number in range(4, 10)]
        assert result["metrics"]["mini_batches_failed"] == 2
        assert "the results of 2 of 5 mini-batches are missing: they failed" in bench.log()


def test_a_mini_batch_is_tried_again(bench: Any) -> None:
    script = """
import pathlib
def run(batch):
    tries = pathlib.Path("tries-" + batch[0][-4:])
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    if len(tries.read_text()) < 3:
        raise ValueError("not yet")
    return [tries.read_text()]
"""
    result = bench.run(**prepare(bench, script, 3, max_retries=2, mini_batch_error_threshold=0))
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == ["xxx"] * 3
    assert "mini-batch 1 failed (try 2 of 3): ValueError: not yet" in bench.log()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import nothing_of_this_name\n", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def init():\n    open('model.pkl')\ndef run(batch):\n    return batch\n", "FileNotFoundError: [Errno 2]"),
        ("x = 1\n", "TypeError: entry.py has no function run(mini_batch)"),
        ("def run(batch:\n", "SyntaxError: '(' was never closed (the entry script, entry.py:1)"),
        ("def run(b):\n    return b\ndef shutdown():\n    1 / 0\n", "ZeroDivisionError: division by zero (shutdown(),"),
        ("import os\nos._exit(3)\n", "workers end before they get a mini-batch: the last one ended with exit code 3"),
    ],
)
def test_a_script_that_cannot_be_used_fails_the_step_at_once(bench: Any, script: str, expected: str) -> None:
    assert reason(bench.run(**prepare(bench, script))).startswith(expected)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"first_task_creation_timeout": 1}, "no mini-batch was begun in 1 s (first_task_creation_timeout)"),
        ({"task_overhead_timeout": 1}, "init() took longer than 1 s (task_overhead_timeout)"),
    ],
)
def test_init_has_time_limits(bench: Any, settings: dict[str, Any], expected: str) -> None:
    script = "import time\ndef init():\n    time.sleep(300)\ndef run(batch):\n    return batch\n"
    assert reason(bench.run(**prepare(bench, script, **settings))) == expected


def test_a_worker_that_is_ready_when_nothing_is_left_ends_in_time_too(bench: Any, tmp_path: Path) -> None:
    script = f"""
import pathlib, time
folder = pathlib.Path({str(tmp_path)!r})
def init():
    global is_late
    try:
        (folder / "first").mkdir()
        is_late = False
    except FileExistsError:
        is_late = True
        while len(list(folder.iterdir())) < 3:
            time.sleep(0.05)
        time.sleep(1)  # by now no mini-batch is left
def run(batch):
    (folder / batch[0][-4:]).touch()
    return batch
def shutdown():
    time.sleep(300 if is_late else 0)
"""
    result = bench.run(**prepare(bench, script, 2, task_overhead_timeout=8))
    assert result["status"] == "completed"
    assert "parallel: a worker did not end in time, and was killed" in bench.log()


def test_an_input_without_files_fails_the_step(bench: Any) -> None:
    assert reason(bench.run(**prepare(bench, _ECHO, 0))) == "the input has no files, so there is no mini-batch"


def test_what_a_worker_has_started_ends_with_it_when_it_takes_too_long(bench: Any) -> None:
    script = """
import subprocess, time
def run(batch):
    if batch[0].endswith("f000"):
        print("child", subprocess.Popen(["sleep", "300"]).pid, flush=True)
        time.sleep(300)
    return batch
"""
    process = bench.start(**prepare(bench, script, 2, timeout=5))
    bench.wait_for_log("child ")
    child = int(re.findall("child ([0-9]+)", bench.log())[0])
    bench.wait_for_log("run() took longer than 5 s")
    bench.wait_until(lambda: has_ended(child))
    process.communicate(timeout=180)
    assert bench.result()["status"] == "completed"


def test_a_step_that_is_canceled_leaves_no_worker(bench: Any) -> None:
    script = "import time\ndef run(batch):\n    print('begun', flush=True)\n    time.sleep(300)\n"
    process = bench.start(**prepare(bench, script))
    bench.wait_for_log("begun")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert bench.result()["status"] == "canceled"
    bench.wait_until(lambda: list(workers(bench.folder)) == [])


@pytest.mark.slow
def test_no_item_is_lost_or_doubled_while_workers_are_killed_at_random(bench: Any) -> None:
    """A worker is killed for every 60 mini-batches: if all are killed while they start, the step fails as it should."""
    calls = bench.root / "calls"
    calls.touch()
    note = f"    with open({str(calls)!r}, 'a') as file: file.write('.')\n    time.sleep(0.004)\n    return"
    script = f"import time\n{_ECHO}".replace("    return", note)
    changes = prepare(bench, script, 1000, max_retries=2, mini_batch_error_threshold=0, concurrency=3)
    process = bench.start(**changes)
    choice, killed = random.Random(7), 0  # noqa: S311 - no secret
    while process.poll() is None and killed < 15:
        wanted = 60 * (killed + 1)
        bench.wait_until(lambda wanted=wanted: process.poll() is not None or calls.stat().st_size >= wanted)
        if found := list(workers(bench.folder)):
            os.kill(choice.choice(found), signal.SIGKILL)
            killed += 1
    process.communicate(timeout=180)
    assert bench.result()["status"] == "completed", bench.log()
    assert lines(bench) == [f"f{number:03d}={number}" for number in range(1000)]
    assert killed >= 10
    assert bench.log().count("was ended by SIGKILL") >= 10


def workers(folder: Path) -> list[int]:
    """Return the process ids of the workers of a run."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:3] == [str(folder / "parallel").encode(), b"work"]:
                found.append(int(process.name))
    return found


def find_python(version: str) -> Path | None:
    """Return the folder of another Python that this machine has: on the PATH, or of pyenv or uv."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")]
    roots.append(Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"), "uv", "python"))
    folders = [folder / "bin" for root in roots for folder in root.glob(f"*{version}.*")]
    for folder in [*folders, *map(Path, os.get_exec_path())]:
        python = folder / f"python{version}"
        if python.exists() and subprocess.run([python, "-V"], check=False, capture_output=True).returncode == 0:
            return folder
    return None


def test_python_3_8_can_read_the_program() -> None:
    for path in _PROGRAM.glob("*.py"):
        ast.parse(path.read_text(), path.name, feature_version=(3, 8))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_the_python_of_the_environment_can_be_another_one(bench: Any, version: str) -> None:
    changes = prepare(bench, "import sys\ndef run(batch):\n    return [sys.version_info[:2]]\n", 1)
    if (folder := find_python(version)) is None:
        pytest.skip(f"this machine has no Python {version}")
    result = bench.run(**changes, environment={"path": [str(folder)], "variables": {}})
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == [str(tuple(map(int, version.split("."))))]


@pytest.mark.slow
def test_the_rows_of_a_data_frame_have_no_header(bench: Any, environment_with: Any) -> None:
    script = "import pandas\ndef run(batch):\n    return pandas.DataFrame({'a': 1, 'b': ['x y'] * len(batch)})\n"
    folder = environment_with("parallel-pandas", "pandas==2.2.3")
    result = bench.run(**prepare(bench, script, 2), environment={"path": [str(folder)], "variables": {}})
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == ['1 "x y"'] * 2
