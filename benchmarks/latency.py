"""The latency of every command, compared with `import click` alone, interleaved in one run.

    python benchmarks/latency.py [--rounds 9] [--runs 10000]

Each command is a process of its own, in the template workspace without a live state ("new") and with one ("applied"),
and `job list` in a workspace of 10,000 runs. The limits are ratios to `python -c "import click"`: 4 for reads and the
unchanged plan, 6 for validate and the plan after one edit, 10 for the long list. The last line is one JSON object:
medians in seconds, and ratios. The exit code is 1 where a ratio is over its limit.

The package is compiled to bytecode first, as an installer does it, and `make` compiles the installed packages. Where
Python may not write bytecode, a command would otherwise compile all that it imports.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from state import writes

from reconciler.git.repository import open_repository
from reconciler.state.store import StateStore, merge_write_batches

PACKAGE = Path(__file__).parent.parent / "reconciler"
MLGIT = ("-m", "reconciler")
READS = {"status": 4, "list": 4, "show workspace/iris-demo": 4, "plan": 4}


@dataclass(frozen=True)
class Step:
    """One command to time: its arguments to Python, where it runs, its limit, and what comes before each run of it."""

    arguments: tuple[str, ...]
    folder: Path
    limit: float
    before: Callable[[], None] = lambda: None


def python(arguments: tuple[str, ...], folder: Path) -> None:
    """Run Python as a user does, and print its output if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} in {folder}:\n{done.stdout}{done.stderr}")


def template(top: Path, name: str, *, applied: bool, pipeline: bool = False) -> Path:
    """Make a workspace from the template; without its job and what follows from it, an apply takes a moment.

    Without ``pipeline`` it is what it was when the limits were set: with one job.
    """
    folder = top / name
    python((*MLGIT, "init", str(folder), "--name", "iris-demo"), top)
    if not pipeline:
        removed = ("jobs/iris-pipeline.yml", "components/prepare", "components/evaluate")
        subprocess.run(["git", "rm", "-rq", *removed], cwd=folder, check=True)
        subprocess.run(["git", "commit", "-qm", "Remove the pipeline"], cwd=folder, check=True)
    if applied:
        selection = ("--exclude", "job/train+", "--exclude", "environment/sklearn+")
        python((*MLGIT, "apply", "--auto-approve", *selection), folder)
    return folder


def many_runs(top: Path, runs: int) -> Path:
    """Make a workspace whose live state has many runs of many jobs."""
    folder = template(top, "many", applied=True)
    repository = open_repository(folder)
    config = json.loads(subprocess.check_output([sys.executable, "-c", _CONFIG], cwd=folder, text=True))
    store = StateStore(repository, config["state"], config["lineage"])
    for start in range(0, runs, 500):
        batches = (writes(number) for number in range(start, min(start + 500, runs)))
        store.write(merge_write_batches(batches), f"apply: {start}\n")
    repository.close()
    return folder


_CONFIG = """
import json
from pathlib import Path
from reconciler.project.session import open_session
with open_session(Path()) as session:
    print(json.dumps({"state": session.config.state, "lineage": session.config.lineage}))
"""


def steps(top: Path, runs: int) -> dict[str, Step]:
    """Return the steps to time by name."""
    new, applied = template(top, "new", applied=False), template(top, "applied", applied=True)
    steps_by_name = {"import click": Step(("-c", "import click"), top, 1), "--help": Step((*MLGIT, "--help"), top, 2)}
    for name, folder in (("new", new), ("applied", applied)):
        for command, limit in READS.items():
            if not (command.startswith("show") and name == "new"):  # nothing is live there
                steps_by_name[f"{command.split()[0]} ({name})"] = Step((*MLGIT, *command.split()), folder, limit)
        steps_by_name[f"validate ({name})"] = Step((*MLGIT, "validate"), folder, 6)
    edited = template(top, "edited", applied=True)
    job = edited / "jobs/train.yml"
    lines = job.read_text("utf-8")
    edits = iter(range(1_000_000))

    def edit() -> None:
        job.write_text(f"{lines}# {next(edits)}\n", "utf-8")

    steps_by_name["plan after one edit"] = Step((*MLGIT, "plan"), edited, 6, edit)
    steps_by_name["plan, pipeline submitted"] = Step(
        (*MLGIT, "plan"), template(top, "p", applied=True, pipeline=True), 8
    )
    steps_by_name[f"job list of {runs} runs"] = Step((*MLGIT, "job", "list"), many_runs(top, runs), 10)
    return steps_by_name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    compileall.compile_dir(PACKAGE, quiet=1)
    with tempfile.TemporaryDirectory() as top:
        timed = steps(Path(top), options.runs)
        seconds: dict[str, list[float]] = {name: [] for name in timed}
        for round_number in range(options.rounds + 1):
            for name, step in timed.items():
                step.before()
                began = time.perf_counter()
                python(step.arguments, step.folder)
                if round_number:  # the first round fills the caches
                    seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: median / medians["import click"] for name, median in medians.items()}
    for name, step in timed.items():
        mark = "  OVER THE LIMIT" if ratios[name] > step.limit and name != "import click" else ""
        print(f"{name:24} {medians[name]:6.3f} s  {ratios[name]:5.2f} times import click (limit {step.limit:g}){mark}")
    print(json.dumps({name: {"s": round(medians[name], 3), "ratio": round(ratios[name], 2)} for name in timed}))
    return int(any(ratios[name] > step.limit for name, step in timed.items() if name != "import click"))


if __name__ == "__main__":
    sys.exit(main())
