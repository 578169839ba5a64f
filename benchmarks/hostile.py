"""The cost of hostile files: seconds and peak memory of `mlgit validate` over each, without start-up.

    python benchmarks/hostile.py

Each file is validated in a process of its own. The last line is one JSON object: the worst of all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAD = b"$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\n"
LEVELS = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" if n else "a0: &a0 [x]\n" for n in range(10)]
FILES = {
    "nothing wrong": HEAD + b"command: echo\nenvironment: azureml:a:1\ncompute: local\n",
    "alias bomb": HEAD + "".join(LEVELS).encode(),
    "alias of itself": HEAD + b"tags: &a {b: *a}\n",
    "10,000 brackets": HEAD + b"tags: " + b"[" * 10_000,
    "10,000 braces": HEAD + b"tags: " + b"{a: " * 10_000,
    "10,000 dashes": HEAD + b"tags: " + b"- " * 10_000,
    "python tag": HEAD + b"tags: !!python/object/apply:os.system [echo]\n",
    "binary tag": HEAD + b"tags: !!binary aGk=\n",
    "not a number": HEAD + b"limits: {timeout: .nan}\n",
    "50 MB": HEAD + b"# " + b"x" * 50_000_000,
    "5 MB of keys": HEAD + b"tags:\n" + b"".join(b"  k%d: v\n" % n for n in range(400_000)),
    "19,000 unknown fields": HEAD + b"".join(b"k%d: v\n" % n for n in range(19_000)),
    "49,000 unknown fields": HEAD + b"".join(b"k%d: v\n" % n for n in range(49_000)),
    "NUL": HEAD + b"tags: \0\n",
    "BOM and CRLF": b"\xef\xbb\xbf" + HEAD.replace(b"\n", b"\r\n") + b"command: x\r\n",
    "Latin-1": HEAD + "description: Käse\n".encode("latin-1"),
    "a long expression": HEAD + b"command: " + b"${{inputs." * 50_000 + b"\n",
    "a long number": HEAD + b"limits: {timeout: " + b"9" * 100_000 + b"}\n",
}
MEASURE = """
import json, resource, sys, time
from reconciler import cli
sys.argv = ["mlgit", "validate", "--format", "json", sys.argv[1]]
began = time.perf_counter()
try:
    cli.run_command_line()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([time.perf_counter() - began, peak]), file=sys.stderr)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {}
        for title, raw in FILES.items():
            path = folder / "hostile.yml"
            path.write_bytes(raw)
            figures[title] = measured(path)
    base, _ = figures["nothing wrong"]
    for title, (seconds, peak) in figures.items():
        print(f"{title:24} {seconds - base:8.3f} s {peak:8.1f} MiB")
    slowest = max(seconds - base for seconds, _ in figures.values())
    print(json.dumps({"slowest_s": round(slowest, 3), "peak_mib": round(max(peak for _, peak in figures.values()), 1)}))


def measured(path: Path) -> tuple[float, float]:
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, path],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if "Traceback" in ended.stderr or ended.returncode not in {0, 1}:
        raise SystemExit(
            f"{path}: {ended.returncode} after {time.perf_counter() - began:.1f} s\n{ended.stderr[-2000:]}"
        )
    seconds, peak = json.loads(ended.stderr.strip().splitlines()[-1])
    return seconds, peak


if __name__ == "__main__":
    main()
