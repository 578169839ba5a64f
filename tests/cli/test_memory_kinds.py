"""No memory for a thread, a library or an object is an error of the machine, whichever of Python's errors it causes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from reconciler.diagnostics import memory_diagnostic

pytestmark = pytest.mark.slow


def caused_by(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


LIMITED = """
import resource, sys
from reconciler import cli
limit = int(sys.argv[1]) * 1000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.argv = ["mlgit", *sys.argv[2:]]
cli.run_command_line()
"""


LIMITS = (32_000, 44_000, 60_000, 100_000)  # kilobytes


@pytest.mark.parametrize(
    "limits", [LIMITS, pytest.param((40_000, 48_000, 52_000), marks=pytest.mark.soak)], ids=["few", "more"]
)
@pytest.mark.parametrize("command", [("validate",), ("plan",), ("apply", "--auto-approve")], ids=lambda words: words[0])
def test_no_limit_on_memory_is_a_bug(small, command, limits):
    outcomes = set()
    # Compiled in each process, the modules take as much memory everywhere.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(small / ".git/bytecode")}
    for kilobytes in limits:
        arguments = [sys.executable, "-c", LIMITED, str(kilobytes), *command]
        ended = subprocess.run(
            arguments, cwd=small, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if "memory allocation of" in ended.stderr:  # jsonschema-rs aborts the process itself
            assert ended.returncode == -signal.SIGABRT
            continue
        assert ended.returncode in {0, 1}, (kilobytes, ended.stderr)
        assert "Traceback" not in ended.stderr, (kilobytes, ended.stderr)
        outcomes.add("[memory-full]" in ended.stderr + ended.stdout)
    assert True in outcomes or limits != LIMITS


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (ImportError("libsqlite3.so.0: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (caused_by(ValueError("bad"), MemoryError()), True),
        (ImportError("No module named 'nothing'"), False),
        (RuntimeError("bad"), False),
        (OSError(28, "No space left on device"), False),
        (caused_by(ValueError("bad"), KeyError("x")), False),
    ],
    ids=str,
)
def test_only_a_lack_of_memory_is_reported_as_one(error, is_memory):
    diagnostic = memory_diagnostic(error)
    assert (diagnostic is not None) == is_memory
    assert diagnostic is None or diagnostic.code == "memory-full"
