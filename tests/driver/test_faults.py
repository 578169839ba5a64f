"""Pipelines whose processes are killed at random: no attempt runs twice, and the result is as if nothing had been."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from driver.graphs import Site, driver_processes, make_graph, make_step
from reconciler.engine.driver.events import EventLog, find_graph
from reconciler.engine.driver.graph import FrozenStep
from reconciler.model import Handle, Phase, RunStatus
from reconciler.model.content import UploadFile
from reconciler.model.step_runs import DRIVER_GONE
from reconciler.runner.files import read_json_object

pytestmark = pytest.mark.services
STEPS, KILLS = 20, 20
_LOG_SCRIPT = """
import json, os, sys, urllib.request
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": float(sys.argv[1]), "timestamp": 1, "step": 1}
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).close()
"""
# Notes which step begins and ends under which run.
_COMMAND = (
    "echo begin {path} $AZUREML_RUN_ID >> {effects}; sleep 0.3; cat {inputs} /dev/null > ${{{{outputs.out}}}}/x; "
    "echo {path} >> ${{{{outputs.out}}}}/x; echo end {path} $AZUREML_RUN_ID >> {effects}"
)


def make_steps(site: Site) -> Iterator[FrozenStep]:
    """Return 20 steps of which each but the first reads from the ones half and one before it."""
    for index in range(STEPS):
        reads = {f"i{source}": f"s{source:02}" for source in {index // 2, index - 1} - {index} if source >= 0}
        inputs = " ".join(f"${{{{inputs.{name}}}}}/x" for name in reads)
        path = f"s{index:02}"
        command = _COMMAND.format(path=path, effects=site.folder / "effects", inputs=inputs)
        yield make_step(path, command, reads)


def running_processes(site: Site, kind: str) -> list[int]:
    """Return the processes of the drivers, the supervisors or the commands that are there now."""
    if kind == "driver":
        return [process for handle in site.submitted for process in driver_processes(site, handle)]
    file, field = {"supervisor": ("supervisor.json", "pid"), "command": ("command.json", "pgid")}[kind]
    folders = [path for path in (site.folder / "store/runs").glob("*") if not (path / "result.json").exists()]
    numbers = (process[field] for path in folders if (process := read_json_object(path / file)))
    return [number for number in numbers if Path("/proc", str(number)).exists()]


def kill(kind: str, process: int) -> None:
    with suppress(OSError):
        (os.killpg if kind == "command" else os.kill)(process, signal.SIGKILL)


def is_over(site: Site, handle: Handle) -> bool:
    return site.condition(handle).phase is not Phase.RUNNING


def kill_at_random(site: Site, handle: Handle, chance: random.Random) -> Counter[str]:
    """Kill drivers and supervisors in turn until both were killed often enough, or the run is over."""
    killed = Counter({"driver": 0, "supervisor": 0})
    while not is_over(site, handle) and min(killed.values()) < KILLS:
        time.sleep(chance.uniform(0, 0.1))
        kind = min(killed, key=killed.__getitem__)
        candidates = running_processes(site, kind)
        if candidates:
            kill(kind, chance.choice(candidates))
            killed[kind] += 1
        site.driver.resume(handle)
    return killed


def effects(site: Site, kind: str) -> list[tuple[str, str]]:
    lines = (line.split() for line in (site.folder / "effects").read_text().splitlines())
    return [(path, run) for word, path, run in lines if word == kind]


def assert_events(site: Site, handle: Handle) -> None:
    """Assert that each attempt was decided once, and that each follows a lost one."""
    graph = find_graph(site.store, handle.data["token"])
    assert graph is not None
    log = EventLog(site.store, graph)
    log.read_new()
    history = [step for event in log.events for step in event.steps]
    for path in log.table:
        if not log.table[path].run:  # a sweep has none
            continue
        own = [step for step in history if step.step == path]
        attempts = [step.attempt for step in own if step.status is RunStatus.INTENDED]
        lost = [step.attempt for step in own if step.status is RunStatus.LOST]
        assert attempts == list(range(1, len(attempts) + 1)), path
        assert attempts[1:] == [attempt + 1 for attempt in lost], path
    begun = Counter(run for _, run in effects(site, "begin"))
    assert set(begun.values()) <= {1}, "an attempt ran twice"


def test_killed_drivers_and_supervisors_change_nothing_of_the_result(site):
    steps = list(make_steps(site))
    handle = site.submit(make_graph(steps, retries=100))
    killed = kill_at_random(site, handle, random.Random(1))  # noqa: S311
    while site.condition(handle).reason == DRIVER_GONE:
        site.driver.resume(handle)
    condition = site.wait(handle, 120)
    assert condition.phase is Phase.SUCCEEDED, condition
    assert min(killed.values()) >= KILLS, killed
    assert_events(site, handle)
    result = site.driver.collect(handle, site.store).outputs["result"]
    undisturbed = Site(site.folder / "undisturbed")
    undisturbed.folder.mkdir()
    other = undisturbed.submit(make_graph(list(make_steps(undisturbed)), "undisturbed"))
    assert undisturbed.wait(other, 120).phase is Phase.SUCCEEDED
    assert undisturbed.driver.collect(other, undisturbed.store).outputs["result"].sha256 == result.sha256
    assert json.loads(json.dumps(condition.result)) == condition.result


@pytest.mark.parametrize("trials", [60, pytest.param(200, marks=pytest.mark.soak)])
def test_killed_drivers_and_supervisors_change_nothing_of_a_sweep(site, trials):
    sweep = {
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "objective": {"primary_metric": "loss", "goal": "minimize"},
        "sampling_algorithm": "random",
        "limits": {"max_total_trials": trials, "max_concurrent_trials": 8},
    }
    code = site.store.put([UploadFile("log.py", 0o100644, lambda: io.BytesIO(_LOG_SCRIPT.encode()))])
    effects_file = site.folder / "effects"
    command = f"echo begin x $AZUREML_RUN_ID >> {effects_file}; python log.py ${{{{search_space.x}}}}"
    step = make_step("sweep", command)
    step = dataclasses.replace(step, task=dataclasses.replace(step.task, code=code), sweep=sweep)
    handle = site.submit(make_graph([step], retries=100))
    killed = kill_at_random(site, handle, random.Random(2))  # noqa: S311
    while site.condition(handle).reason == DRIVER_GONE:
        site.driver.resume(handle)
    condition = site.wait(handle, 300)
    assert condition.phase is Phase.SUCCEEDED, condition
    assert min(killed.values()) >= KILLS, killed
    assert_events(site, handle)
    steps = site.steps(handle)
    ended = [steps[f"sweep.{number}"] for number in range(trials)]
    assert {trial.status for trial in ended} == {RunStatus.COMPLETED}
    assert condition.result["metrics"] == {"loss": min(trial.params["x"] for trial in ended)}


def test_killed_commands_fail_their_steps_and_what_completed_never_runs_again(site):
    chance, done, number = random.Random(3), Counter(), 0  # noqa: S311
    steps = list(make_steps(site))
    while True:
        number += 1
        handle = site.submit(make_graph(steps, str(number), retries=100))
        if number <= KILLS:
            while not is_over(site, handle):
                time.sleep(chance.uniform(0, 0.2))
                candidates = running_processes(site, "command")
                if candidates:
                    kill("command", chance.choice(candidates))
                    break
        condition = site.wait(handle, 60)
        done.update(
            path for path, step in site.steps(handle).items() if step.run and step.status is RunStatus.COMPLETED
        )
        assert_events(site, handle)
        if condition.phase is Phase.SUCCEEDED:
            break
        assert "was ended by SIGKILL" in condition.result["failure"]["message"], condition
    assert done == Counter([step.path for step in steps])
