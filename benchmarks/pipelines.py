"""The speed of pipelines and sweeps: many steps that are all reused, and the replay of a long sweep.

    python benchmarks/pipelines.py [--steps 1000] [--rounds 3] [--trials 1000]

A pipeline of the given number of steps is run once. Then ``mlgit run --again`` plans it, submits it, and ends with all
of its steps reused, beside ``dvc repro`` of as many unchanged stages with the same dependencies, one after another: DVC
looks longer at longer chains, mlgit does not (chains of five: 5 times faster). Limit 9 times faster.
A trial of a Bayesian sweep is a function of all trials before it, which are replayed: with the given number of trials
in less than 8 times the time of ``import optuna``. All are ratios in one run, interleaved with what they are compared
with.

The last line is one JSON object. The exit code is 1 where a ratio is over its limit.
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
from collections.abc import Callable, Sequence
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "reconciler"
REPRO_LIMIT, REPLAY_LIMIT = 9.0, 8.0
CHAIN = 1000  # steps that follow one another; with more steps than that, there are several independent chains
STORED = {"GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@b", "GIT_COMMITTER_NAME": "b", "GIT_COMMITTER_EMAIL": "b@b"}

REPLAY = """
import sys, time
began = time.perf_counter()
import optuna
imported = time.perf_counter()
from reconciler.model import RunStatus
from reconciler.sweeps.bayesian import bayesian_point
from reconciler.sweeps.trials import Trial
space = {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}, "layers": {"type": "choice", "values": [1, 2, 3]}}
sweep = {"search_space": space, "objective": {"goal": "minimize", "primary_metric": "loss"}}
count = int(sys.argv[1])
points = [{"lr": number / count, "layers": number % 3 + 1} for number in range(count)]
trials = [Trial(number, point, RunStatus.COMPLETED, (point["lr"],)) for number, point in enumerate(points)]
bayesian_point(sweep, trials, count, "token")
print(imported - began, time.perf_counter() - imported)
"""


def run(command: Sequence[str], folder: Path) -> float:
    """Return the seconds that a command takes; raise SystemExit with its output if it fails."""
    began = time.perf_counter()
    environment = {**os.environ, **STORED}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
    return time.perf_counter() - began


def mlgit(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "reconciler", *arguments]


def is_first(number: int) -> bool:
    """Return True for the first step of a chain, which reads a literal and not the step before it."""
    return number % CHAIN == 0


def write_code(folder: Path) -> None:
    """Make a folder with the code that all steps have, and the file of their environment."""
    (folder / "src").mkdir(parents=True)
    (folder / "src/run.sh").write_text('echo "$1" > "$2"\n')
    (folder / "environment.yml").write_text("image: python\n")


def make_pipeline(folder: Path, steps: int) -> None:
    """Write a workspace with one pipeline; each step writes one small file."""
    lines = ["$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json", "type: pipeline", "jobs:"]
    for number in range(steps):
        source = f"{number}" if is_first(number) else f"${{{{parent.jobs.s{number - 1}.outputs.out}}}}"
        lines += [
            f"  s{number}:",
            "    command: sh run.sh ${{inputs.before}} ${{outputs.out}}",
            "    code: src",
            "    environment: {image: python}",
            "    compute: azureml:local",
            f"    inputs: {{before: '{source}'}}" if is_first(number) else f"    inputs: {{before: {source!r}}}",
            "    outputs: {out: {type: uri_file}}",
        ]
    write_code(folder)
    (folder / "pipeline.yml").write_text("\n".join(lines) + "\n")
    run(["git", "init", "-q"], folder)
    run(mlgit("init", "--here"), folder)
    run(["git", "add", "-A"], folder)
    run(["git", "commit", "-qm", "first"], folder)


def make_stages(folder: Path, steps: int) -> None:
    """Write a DVC project with the same dependencies: the code, the environment, and the step before."""
    stages = {
        f"s{number}": {
            "cmd": f"sh src/run.sh {number} out{number}",
            "deps": ["src/run.sh", "environment.yml", *([] if is_first(number) else [f"out{number - 1}"])],
            "outs": [f"out{number}"],
        }
        for number in range(steps)
    }
    write_code(folder)
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    run(["git", "init", "-q"], folder)
    run([sys.executable, "-m", "dvc", "init", "-q"], folder)
    run([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], folder)


def compare(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Return the medians of two measurements that alternate."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def measure_reuse(steps: int, rounds: int) -> float:
    """Return how many times faster a pipeline ends whose steps are all reused than `dvc repro`."""
    with tempfile.TemporaryDirectory() as top:
        pipeline, stages = Path(top, "pipeline"), Path(top, "stages")
        make_pipeline(pipeline, steps)
        make_stages(stages, steps)
        print(f"{steps} steps run once: {run(mlgit('run', 'pipeline.yml'), pipeline):.0f} s")
        repro = [sys.executable, "-m", "dvc", "repro", "-q"]
        print(f"{steps} stages run once: {run(repro, stages):.0f} s")
        again = mlgit("run", "--again", "pipeline.yml")
        ours, theirs = compare(rounds, lambda: run(again, pipeline), lambda: run(repro, stages))
    ratio = theirs / ours
    print(
        f"{steps} reused steps {ours:.2f} s, dvc repro {theirs:.2f} s: {ratio:.1f} times faster (limit {REPRO_LIMIT})"
    )
    return ratio


def measure_replay(trials: int, rounds: int) -> float:
    """Return the time of the next trial after many others, in times of ``import optuna``."""
    ratios = []
    for _ in range(rounds):
        command = [sys.executable, "-c", REPLAY, str(trials)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        imported, replayed = map(float, output.split())
        ratios.append(replayed / imported)
    ratio = statistics.median(ratios)
    print(f"replay of {trials} trials: {ratio:.2f} times import optuna (limit {REPLAY_LIMIT})")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args()
    compileall.compile_dir(PACKAGE, quiet=1)
    replay = measure_replay(options.trials, options.rounds)
    reuse = measure_reuse(options.steps, options.rounds)
    print(json.dumps({"reuse": round(reuse, 1), "replay": round(replay, 2)}))
    return int(reuse < REPRO_LIMIT or replay > REPLAY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
