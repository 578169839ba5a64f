"""What mlgit costs on Slurm and on Ray beside the engine itself: single jobs, many runs at once, and a sweep.

    python benchmarks/engines.py [--engines slurm ray] [--seconds 20 1] [--rounds 3] [--polled 500] [--trials 100]
                                 [--tune]

The same command, `sleep`, is run in three ways in turn: submitted by `sbatch` or to Ray's Jobs API alone, which is
asked every 0.1 s whether it has ended; by the backend of mlgit, as a driver uses it; and by `mlgit run`, the whole
command. Measured is from before the submission until the end was seen. Limit: the whole command takes 1.20 times as
long as the engine alone, for the longest of ``--seconds``. The overhead in seconds does not depend on the length, so
the others show how long a job must be for that.

Then runs that wait are polled by one call of the backend, which is one `squeue` or one request to Ray: its time beside
that of the bare `squeue` or request. Last, a sweep of short trials on Ray by `mlgit run`, beside the same commands by
bare Ray Jobs with as many at once: limit 1.2. With ``--tune`` the same commands by Ray Tune are shown, too, if the
Python of the cluster has it (`ray_sweeps`).

The clusters are those of the tests, two nodes each on this machine, which needs root. The last line is one JSON object.
The exit code is 1 where a ratio is over its limit.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine_clusters import ENGINES, Engine, run
from ray_sweeps import BARE_SECONDS, CONCURRENT, SWEEP_LIMIT, has_tune, measure_sweeps, run_commands, run_tune

from reconciler.model.backend import Backend
from reconciler.model.providers import Phase
from reconciler.model.tasks import Prefix, Task
from reconciler.storage.folder_store import FolderStore

ROOT = Path(__file__).parent.parent
JOB_LIMIT = 1.20
OWN_SECONDS = 0.2  # between two looks at runs, as in `mlgit apply`
ENVIRONMENT = {"image": "python", "conda_file": {"dependencies": ["python>=3.11"]}}
# Logs its value where mlgit runs it.
TRIAL = """\
import json, os, sys, time, urllib.request
time.sleep(0.5)
if url := os.environ.get("MLFLOW_TRACKING_URI"):
    fields = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "score", "value": float(sys.argv[1]), "timestamp": 0}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/runs/log-metric", json.dumps(fields).encode(), headers)
    urllib.request.urlopen(request).close()
"""


def run_mlgit(folder: Path, *arguments: str) -> None:
    run([sys.executable, "-P", "-m", "reconciler", *arguments], folder)


def measure_seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def make_workspace(folder: Path, engine: Engine, lengths: Sequence[float], trials: int) -> None:
    """Write a workspace with a job for each length, and a sweep."""
    bound = {"from": "file:.secrets/token", "for": ["backend/engine"], "fields": ["/token"]}
    config = {
        "state": {"name": "engines", "lineage": f"{1:032x}"},
        "store": {"path": ".mlgit/store"},
        "backends": {"engine": engine.settings, "half": {**engine.settings, "cpus": 0.5}},
        "compute": {"*": "engine", "half": "half"},
        "secrets": {"token": bound | {"for": ["backend/engine", "backend/half"]}} if engine.secret else {},
        "assets": {"include": [{"glob": "*.yml", "run": "manual"}]},
    }
    if engine.settings["type"] == "slurm":  # has no half of a processor
        del config["backends"]["half"], config["compute"]["half"]
    sweep = {
        "type": "sweep",
        "compute": "azureml:half",
        "sampling_algorithm": "grid",
        "search_space": {"x": {"type": "choice", "values": list(range(trials))}},
        "objective": {"goal": "maximize", "primary_metric": "score"},
        "limits": {"max_total_trials": trials, "max_concurrent_trials": CONCURRENT},
        "trial": {"command": "python trial.py ${{search_space.x}}", "code": "src", "environment": ENVIRONMENT},
    }
    files = {f"sleep-{length:g}.yml": sleep_job(length) for length in lengths} | {"sweep.yml": sweep}
    (folder / "src").mkdir(parents=True)
    (folder / ".secrets").mkdir()
    (folder / ".secrets/token").write_text(engine.secret, encoding="utf-8")
    (folder / ".gitignore").write_text(".secrets\n.mlgit\n", encoding="utf-8")
    (folder / "src/trial.py").write_text(TRIAL, encoding="utf-8")
    for name, document in files.items():
        schema = f"https://azuremlschemas.azureedge.net/latest/{document['type']}Job.schema.json"
        (folder / name).write_text(json.dumps({"$schema": schema, **document}), encoding="utf-8")
    (folder / "mlgit.yml").write_text(json.dumps(config), encoding="utf-8")
    run(["git", "init", "-q"], folder)
    run(["git", "add", "-A"], folder)
    run(["git", "commit", "-qm", "first"], folder)


def sleep_job(length: float) -> dict[str, Any]:
    """Return a job that sleeps."""
    return {
        "type": "command",
        "compute": "azureml:engine",
        "command": f"sleep {length:g}",
        "environment": ENVIRONMENT,
    }


def run_bare(engine: Engine, command: str) -> None:
    """Run a command by the engine alone, until its end was seen."""
    job = engine.submit(command, 1)
    while job not in engine.completed():
        time.sleep(BARE_SECONDS)


def make_task(prefix: Prefix, command: str) -> Task:
    token = uuid.uuid4().hex + "0" * 8
    return Task(f"job-{token[:8]}", "job/job", token, command, prefix)


def run_by_backend(backend: Backend, store: FolderStore, task: Task) -> None:
    """Run a task until the backend says that it has completed; raise SystemExit if it does not complete."""
    handle = backend.submit(task, store)
    while (condition := backend.poll([handle])[handle]).phase in {Phase.PENDING, Phase.RUNNING}:
        time.sleep(OWN_SECONDS)
    if condition.phase is not Phase.SUCCEEDED:
        raise SystemExit(f"a run did not complete: {condition}")


def measure_jobs(name: str, engine: Engine, folder: Path, lengths: Sequence[float], rounds: int) -> dict[str, float]:
    """Return the times of single jobs by the engine alone, by the backend and by the whole command."""
    prefix, store, figures = Prefix(str(folder / "venv"), "here"), FolderStore(folder / "store"), dict[str, float]()
    backend = engine.open_backend()
    run_by_backend(backend, store, make_task(prefix, "true"))  # the node gets the environment, and the engine warm
    run_mlgit(folder / "workspace", "run", f"sleep-{min(lengths):g}.yml")
    for length in lengths:
        command = f"sleep {length:g}"
        ways = {
            "bare": partial(run_bare, engine, command),
            "backend": lambda command=command: run_by_backend(backend, store, make_task(prefix, command)),
            "command": partial(run_mlgit, folder / "workspace", "run", "--again", f"sleep-{length:g}.yml"),
        }
        rows = [{way: measure_seconds(act) for way, act in ways.items()} for _ in range(rounds)]
        seconds = {way: statistics.median(row[way] for row in rows) for way in ways}
        ratios = {way: seconds[way] / seconds["bare"] for way in ("backend", "command")}
        print(
            f"{name}: {command} takes {seconds['bare']:.2f} s alone, by the backend {seconds['backend']:.2f} s"
            f" ({ratios['backend']:.2f}), by mlgit run {seconds['command']:.2f} s ({ratios['command']:.2f})"
        )
        figures |= {f"{name}_{way}_{length:g}s": round(ratio, 3) for way, ratio in ratios.items()}
    return figures


def measure_poll(name: str, engine: Engine, folder: Path, count: int) -> dict[str, float]:
    """Return the time of one poll of many runs that wait, beside that of a bare listing of the same jobs."""
    prefix, store = Prefix(str(folder / "venv"), "here"), FolderStore(folder / "store")
    backend = engine.open_backend(**engine.narrow)
    began = time.perf_counter()
    handles = [backend.submit(make_task(prefix, "sleep 600"), store) for _ in range(count)]
    submitted = (time.perf_counter() - began) / count
    polls, listings = [], []
    for _ in range(3):
        time.sleep(3)  # for so long a listing of jobs may count
        polls.append(measure_seconds(lambda: check_active(backend.poll(handles).values(), count)))
        listings.append(measure_seconds(engine.completed))
    poll, listing = statistics.median(polls), statistics.median(listings)
    print(
        f"{name}: {count} runs submitted in {submitted:.3f} s each, polled by one call in {poll:.2f} s,"
        f" a bare listing takes {listing:.2f} s"
    )
    return {f"{name}_submit_s": round(submitted, 3), f"{name}_poll_{count}_s": round(poll, 3)}


def check_active(conditions: Any, count: int) -> None:
    active = [condition for condition in conditions if condition.phase in {Phase.PENDING, Phase.RUNNING}]
    if len(active) != count:
        raise SystemExit(f"{len(active)} of {count} runs wait or go on")


def measure_sweep(engine: Engine, folder: Path, trials: int, *, with_tune: bool) -> dict[str, float]:
    """Return how much longer a sweep takes than the commands of its trials, and Ray Tune if that is asked for."""
    program = [engine.settings["python"], str(folder / "workspace/src/trial.py")]
    commands = [shlex.join([*program, str(number)]) for number in range(trials)]
    ways: dict[str, Callable[[], object]] = {
        "bare jobs": lambda: run_commands(engine, commands),
        "sweep": lambda: run_mlgit(folder / "workspace", "run", "--again", "sweep.yml"),
    }
    if with_tune:
        service = importlib.import_module("services.ray_cluster")
        python = service.PROGRAM.parent / "python"
        if has_tune(python):
            ways["tune"] = lambda: run_tune(engine, folder / "tune", program, trials)
        else:
            wanted = f"uv pip install --python {python} 'ray[tune]=={service.VERSION}'"
            print(f"ray: Ray Tune is not measured: it is not installed ({wanted})")
    return measure_sweeps(ways, trials, measure_seconds)


def measure(name: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return the figures of an engine."""
    folder.mkdir()
    with ENGINES[name](folder) as engine:
        subprocess.run([engine.settings["python"], "-m", "venv", str(folder / "venv")], check=True)
        make_workspace(folder / "workspace", engine, options.seconds, options.trials)
        figures = measure_jobs(name, engine, folder, options.seconds, options.rounds)
        if name == "ray" and options.trials:
            figures |= measure_sweep(engine, folder, options.trials, with_tune=options.tune)
        if options.polled:  # last: its runs are left to the end of the cluster
            figures |= measure_poll(name, engine, folder, options.polled)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seconds", nargs="+", type=float, default=[20, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--polled", type=int, default=500)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--tune", action="store_true", help="measure Ray Tune beside the sweep")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    compileall.compile_dir(ROOT / "reconciler", quiet=1)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as top:
        for name in options.engines:
            figures |= measure(name, options, Path(top, name))
    print(json.dumps(figures))
    longest = f"command_{max(options.seconds):g}s"
    is_slow = any(figures[f"{name}_{longest}"] > JOB_LIMIT for name in options.engines)
    return int(is_slow or figures.get("ray_sweep", 0) > SWEEP_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
