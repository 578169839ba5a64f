"""The speed of the backend local: many trivial jobs through two slots, and from submission to the first line of a job.

    python benchmarks/jobs.py [--jobs 500] [--rounds 15]

The throughput is compared with ``xargs -P2`` that starts a bare supervisor, which is Python, and that the command, as
often: limit 0.4 or better. The latency is from the submission to the first line that the command writes, beyond the
time that the same command takes to write it if it is started at once: limit 3 times ``import click``. Both are ratios
in one run, each interleaved with what it is compared with. ``job list`` of 10,000 runs is in ``benchmarks/latency.py``.

The last line is one JSON object. The exit code is 1 where a ratio is over its limit.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.backends import load_backend
from reconciler.model.backend import Backend
from reconciler.model.providers import Handle, Phase
from reconciler.model.tasks import Compute, Prefix, Task
from reconciler.storage.folder_store import FolderStore

PACKAGE = Path(__file__).parent.parent / "reconciler"
SLOTS = 2
THROUGHPUT_LIMIT, LATENCY_LIMIT = 0.4, 3
SUPERVISOR = "import subprocess, sys; sys.exit(subprocess.call(['bash', '-c', 'true'], start_new_session=True))"
PARTS = 5  # of the jobs, between which the two ways alternate
FIRST_LINE = "date +%s.%N"


def make_task(name: str, command: str) -> Task:
    """Return a task of the compute with two slots that needs no environment."""
    token = hashlib.sha256(name.encode()).hexdigest()[:40]
    compute = Compute("cpu", {"type": "amlcompute", "max_instances": SLOTS})
    return Task(f"job-{token[:8]}", "job/job", token, command, Prefix("/usr", "here"), compute=compute)


def wait(backend: Backend, handles: list[Handle], seconds: float) -> None:
    """Wait until runs have ended, asking as seldom as `mlgit apply` does; raise SystemExit if one did not complete."""
    while any(condition.phase in (Phase.PENDING, Phase.RUNNING) for condition in backend.poll(handles).values()):
        time.sleep(seconds)
    if any(condition.phase is not Phase.SUCCEEDED for condition in backend.poll(handles).values()):
        raise SystemExit("a job did not complete")


def run_jobs(backend: Backend, store: FolderStore, part: int, jobs: int) -> float:
    """Return the seconds from the first submission to the end of the last job."""
    began = time.perf_counter()
    handles = [backend.submit(make_task(f"{part}-{number}", "true"), store) for number in range(jobs)]
    wait(backend, handles, 0.2)
    return time.perf_counter() - began


def run_xargs(jobs: int) -> float:
    """Return the seconds that xargs takes to start as many supervisors that each start the command."""
    began = time.perf_counter()
    command = ["xargs", f"-P{SLOTS}", "-I{}", sys.executable, "-I", "-c", SUPERVISOR]
    subprocess.run(command, input="".join(f"{number}\n" for number in range(jobs)), text=True, check=True)
    return time.perf_counter() - began


def first_line_latency(backend: Backend, store: FolderStore, number: int) -> tuple[float, float, float]:
    """Return the seconds to the first line of a job, to that of the bare command, and of ``import click``."""
    began = time.time()
    handle = backend.submit(make_task(f"latency-{number}", FIRST_LINE), store)
    wait(backend, [handle], 0.01)
    submitted = float(b"".join(backend.log(handle))) - began
    began = time.time()
    bare = float(subprocess.check_output(["bash", "-c", FIRST_LINE])) - began
    began = time.time()
    subprocess.run([sys.executable, "-c", "import click"], check=True)
    return submitted, bare, time.time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    compileall.compile_dir(PACKAGE, quiet=1)
    with tempfile.TemporaryDirectory() as top:
        backend, store = load_backend({"type": "local"}, Path(top, "backend")), FolderStore(Path(top, "store"))
        latencies = [first_line_latency(backend, store, number) for number in range(options.rounds + 1)][1:]
        ours = theirs = 0.0
        for part in range(PARTS):
            ours += run_jobs(backend, store, part, options.jobs // PARTS)
            theirs += run_xargs(options.jobs // PARTS)
    throughput = theirs / ours
    submitted, bare, click = (statistics.median(column) for column in zip(*latencies, strict=True))
    latency = (submitted - bare) / click
    print(f"{options.jobs} jobs {ours:.2f} s, by xargs {theirs:.2f} s: {throughput:.2f} of its throughput (limit 0.4)")
    print(f"first line {submitted:.3f} s, bare {bare:.3f} s: {latency:.2f} times import click beyond (limit 3)")
    figures = {"throughput": round(throughput, 2), "first_line": round(latency, 2), "import_click_s": round(click, 3)}
    print(json.dumps(figures))
    return int(throughput < THROUGHPUT_LIMIT or latency > LATENCY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
