"""A limit on memory is an error of the machine: exit code 1 and what to do, no traceback."""

from __future__ import annotations

import subprocess
import sys

from workspaces import SMALL, write

LIMITED = """
import contextlib, io, pathlib, resource, sys
from reconciler import cli

def run(*arguments):
    sys.argv = ["mlgit", *arguments]
    cli.run_command_line()

with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    run("validate", "data/numbers.yml")  # loads what the command needs
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv_extra)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
run("validate", "jobs/large.yml")
"""


def test_a_command_that_gets_no_memory_is_an_error_and_no_bug(small):
    entries = "".join(f"  name{number}: {'x' * 80}\n" for number in range(15_000))
    write(small, {"jobs/large.yml": SMALL["jobs/sum.yml"]})
    with (small / "jobs/large.yml").open("a", encoding="utf-8") as file:
        file.write(f"tags:\n{entries}")
    codes = set()
    for megabytes in (1, 4, 400):
        script = LIMITED.replace("sys.argv_extra", str(megabytes * 1_000_000))
        ended = subprocess.run([sys.executable, "-c", script], cwd=small, capture_output=True, text=True, check=False)
        assert "Traceback" not in ended.stderr, ended.stderr
        assert (ended.returncode == 1) == ("error: there is no memory left" in ended.stderr), ended.stderr
        codes.add(ended.returncode)
    assert codes == {0, 1}
