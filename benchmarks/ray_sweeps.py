"""A sweep of short trials on Ray, beside the same commands as bare Ray Jobs and, if installed, as trials of Ray Tune.

All have as many commands at once, on one cluster. A cluster gets slower with each job that it has ever had, so they
take turns in an order that favours none: first one way after the other, then the same backwards. The times of a way
are added up. A trial of Ray Tune is a task of one job: it is shown to compare with, and is no limit.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine_clusters import Engine

SWEEP_LIMIT = 1.20
CONCURRENT = 4  # trials, each of which asks for half of one of the three processors of the cluster
BARE_SECONDS = 0.1  # between two looks at bare jobs
# The driver of Ray Tune: how many trials, how many at once, where its files go, and the words of the command.
TUNE = """
import json, subprocess, sys
from ray import tune
count, at_once, folder, command = json.loads(sys.argv[1])
def run_trial(config):
    subprocess.run([*command, str(config["x"])], check=True)
    return {"score": config["x"]}
results = tune.Tuner(
    tune.with_resources(run_trial, {"cpu": 0.5}),
    param_space={"x": tune.grid_search(list(range(count)))},
    tune_config=tune.TuneConfig(max_concurrent_trials=at_once, mode="max", metric="score"),
    run_config=tune.RunConfig(storage_path=folder, verbose=0),
).fit()
assert results.get_best_result().metrics["score"] == count - 1 and not results.num_errors
"""


def run_commands(engine: Engine, commands: Sequence[str]) -> None:
    """Run commands by the engine alone, as many at once as the sweep has trials."""
    left, active = list(commands), set[str]()
    while left or active:
        active -= engine.completed()
        while left and len(active) < CONCURRENT:
            active.add(engine.submit(left.pop(0), 0.5))
        time.sleep(BARE_SECONDS)


def has_tune(python: Path) -> bool:
    """Return True if the Python of the cluster has what Ray Tune needs."""
    return not subprocess.run([python, "-c", "import ray.tune"], capture_output=True, check=False).returncode


def run_tune(engine: Engine, folder: Path, program: Sequence[str], trials: int) -> None:
    """Run the commands as trials of Ray Tune, whose driver is one job."""
    settings = json.dumps([trials, CONCURRENT, str(folder), list(program)])
    job = engine.submit(shlex.join([engine.python, "-c", TUNE, settings]), 0)
    while job not in engine.completed():
        time.sleep(BARE_SECONDS)


def measure_sweeps(
    ways: dict[str, Callable[[], object]], trials: int, measure_seconds: Callable[[Callable[[], object]], float]
) -> dict[str, float]:
    """Return how much longer each way takes than the first one, of which each runs the commands of as many trials."""
    seconds = dict.fromkeys(ways, 0.0)
    for name in (*ways, *reversed(ways)):
        taken = measure_seconds(ways[name])
        seconds[name] += taken
        print(f"ray: {trials} trials by {name} take {taken:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    bare, *others = ways
    ratios = {name: seconds[name] / seconds[bare] for name in others}
    for name, ratio in ratios.items():
        print(f"ray: by {name} {seconds[name]:.1f} s in two turns, by {bare} {seconds[bare]:.1f} s: {ratio:.2f}")
    return {f"ray_{name.replace(' ', '_')}": round(ratio, 3) for name, ratio in ratios.items()}
