"""The driver runs a sweep on a backend whose trials log what a test says, an interval at each poll."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from stored_files import put_bytes

from reconciler.engine.driver.events import CANCELS, GRAPHS, RESULTS
from reconciler.engine.driver.graph import FrozenGraph, FrozenStep
from reconciler.engine.driver.loop import Driver
from reconciler.engine.driver.sweeps import find_trials, trial_task
from reconciler.model import Condition, Handle, Phase, RunStatus, StepOutput
from reconciler.model.backend import RunResult
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Prefix, Task, TaskLiteral, TaskOutput
from reconciler.storage.folder_store import FolderStore

TOKEN = "0" * 64


@dataclass
class ScriptedBackend:
    """Runs trials by ``script``: what each logs by its params, in order; an exception is how it fails."""

    script: Callable[[dict], list]
    metric: str = "loss"
    submitted: dict[str, Task] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    most_at_once: int = 0

    def submit(self, task, store):
        self.submitted.setdefault(task.token, task)
        return Handle("scripted", task.run, {"token": task.token})

    def find(self, token):
        task = self.submitted.get(token)
        return Handle("scripted", task.run, {"token": token}) if task else None

    def poll(self, handles):
        handles = list(handles)
        self.most_at_once = max(self.most_at_once, len(handles))
        for handle in handles:
            self.polls[handle.data["token"]] = self.polls.get(handle.data["token"], 0) + 1
        return {handle: self._condition(handle.data["token"]) for handle in handles}

    def logged(self, token):
        inputs = self.submitted[token].inputs
        return self.script({name: literal.value for name, literal in inputs.items()})[: self.polls[token]]

    def _condition(self, token):
        script = self.script({name: literal.value for name, literal in self.submitted[token].inputs.items()})
        metrics = {self.metric: self.logged(token)[-1]} if script else {}
        result = {"metrics": metrics, "ended": "2026-01-01T00:00:01.000Z"}
        if token in self.canceled:
            return Condition(Phase.FAILED, CANCELED, result=result)
        if self.polls[token] < len(script):
            return Condition(Phase.RUNNING)
        if script and isinstance(script[-1], str):
            failure = {"class": script[-1], "message": f"it failed ({script[-1]})"}
            return Condition(Phase.FAILED, result={"failure": failure, "metrics": {}})
        return Condition(Phase.SUCCEEDED, result=result)

    def cancel(self, handle):
        self.canceled.add(handle.data["token"])
        return True

    def metrics(self, handle):
        for step, value in enumerate(self.logged(handle.data["token"])):
            if not isinstance(value, str):
                yield json.dumps({"key": self.metric, "value": value, "step": step, "timestamp": step}).encode() + b"\n"

    def collect(self, handle, store):
        params = {name: literal.value for name, literal in self.submitted[handle.data["token"]].inputs.items()}
        data = json.dumps(params).encode()
        return RunResult({name: put_bytes(store, data) for name in ("model", "artifacts")})


@dataclass
class Sweep:
    """A sweep that is run: its store, and its driver, which a test can replace at any moment."""

    store: FolderStore
    backend: ScriptedBackend
    graph: FrozenGraph

    def driver(self):
        driver = Driver(self.graph, self.store, lambda _name: self.backend, "host")
        driver.start()
        return driver

    def run(self, *, restarts=False, rounds=2000):
        """Run until the end; with ``restarts`` each round has a new driver. Return the table."""
        driver = self.driver()
        for _ in range(rounds):
            if driver.is_ended():
                break
            driver = self.driver() if restarts else driver
            driver.step()
        assert driver.is_ended()
        return driver.log.table

    @property
    def result(self):
        return json.loads(self.store.read(f"{RESULTS}/{TOKEN}"))


UNIFORM = {"type": "uniform", "min_value": 0, "max_value": 1}


@pytest.fixture
def make_sweep(tmp_path):
    numbers = itertools.count()

    def make(script, *, sampling="random", logged="loss", space=None, policy=None, **limits):
        fields = {
            "search_space": space or {"x": UNIFORM},
            "sampling_algorithm": sampling,
            "objective": {"goal": "minimize", "primary_metric": "loss"},
            "limits": {"max_total_trials": 6, **limits},
        }
        fields |= {"early_termination": policy} if policy else {}
        task = Task(
            "", "job/it", "", "x ${{ search_space.x }}", Prefix("/p", "host"), outputs={"model": TaskOutput("")}
        )
        step = FrozenStep("sweep", "scripted", task, {}, "static", sweep=fields)
        outputs = {name: StepOutput("sweep", name) for name in ("model", "artifacts")}
        graph = FrozenGraph("it-1", TOKEN, "job/it", "target", {"sweep": step}, outputs)
        store = FolderStore(tmp_path / f"store{next(numbers)}")
        store.create(f"{GRAPHS}/{TOKEN}", b"{}")
        return Sweep(store, ScriptedBackend(script, logged), FrozenGraph.from_json(graph.to_json()))

    return make


def test_a_sweep_has_the_outputs_metrics_and_log_of_its_best_trial(make_sweep):
    sweep = make_sweep(lambda params: [params["x"] + 1, params["x"], params["x"] + 2], max_concurrent_trials=2)
    table = sweep.run()
    trials = find_trials(table, "sweep")
    assert [trial.status for trial in trials] == [RunStatus.COMPLETED] * 6
    best = min(trials, key=lambda trial: trial.params["x"])
    assert [trial for trial in trials if trial.is_best] == [best]
    assert best.best_value == best.params["x"]
    run = table["sweep"]
    assert (run.status, run.run, run.handle, run.params) == (RunStatus.COMPLETED, "", best.handle, best.params)
    assert (run.outputs, run.metrics) == (best.outputs, {"loss": best.best_value})
    assert sweep.backend.most_at_once == 2
    assert (sweep.result["status"], sorted(sweep.result["outputs"])) == ("completed", ["artifacts", "model"])
    assert sweep.result["params"] == {"x": str(best.params["x"])}
    # An equal step later has its result; a trial never is reused.
    driver = sweep.driver()
    assert driver.index.find(run.key).step == run
    assert not any(trial.key for trial in trials)


@pytest.mark.parametrize("sampling", ["random", "bayesian"])
def test_a_driver_that_is_restarted_after_each_step_runs_each_trial_once_with_the_same_point(make_sweep, sampling):
    def script(params):
        return [params["x"]] * 2

    steady = make_sweep(script, sampling=sampling, max_total_trials=14, max_concurrent_trials=2)
    restarted = make_sweep(script, sampling=sampling, max_total_trials=14, max_concurrent_trials=2)
    points = [
        [trial.params for trial in find_trials(table, "sweep")]
        for table in (steady.run(), restarted.run(restarts=True))
    ]
    assert points[0] == points[1]
    assert len(restarted.backend.submitted) == 14


def test_two_drivers_start_each_trial_once(make_sweep):
    sweep = make_sweep(lambda params: [params["x"]] * 3, max_concurrent_trials=3)
    drivers = [sweep.driver(), sweep.driver()]
    for number in range(2000):
        drivers[number % 2].step()
    assert len(sweep.backend.submitted) == 6
    assert sweep.result["status"] == "completed"


def test_a_failed_trial_does_not_fail_the_sweep_and_a_lost_one_is_tried_again(make_sweep):
    space = {"x": {"type": "choice", "values": ["user", "engine", 0.5]}}
    sweep = make_sweep(lambda params: [params["x"]], sampling="grid", space=space)
    table = sweep.run()
    assert table["sweep"].status is RunStatus.COMPLETED
    assert [(trial.status, trial.attempt) for trial in find_trials(table, "sweep")] == [
        (RunStatus.FAILED, 1),
        (RunStatus.FAILED, 3),
        (RunStatus.COMPLETED, 1),
    ]


@pytest.mark.parametrize(
    ("script", "logged", "message"),
    [
        (lambda _: [0.1], "acc", "no trial logged loss; they logged: acc"),
        (lambda _: [], "loss", "no trial logged loss; they logged no metrics"),
        (lambda _: [float("nan")], "loss", "no trial that completed logged a finite loss"),
        (lambda _: ["user"], "loss", "none of 2 trials completed: sweep.0 failed: it failed (user)"),
    ],
)
def test_a_sweep_without_a_best_trial_says_why(make_sweep, script, logged, message):
    sweep = make_sweep(script, logged=logged, max_total_trials=2)
    run = sweep.run()["sweep"]
    assert (run.status, run.failure, run.message) == (RunStatus.FAILED, "user", message)
    assert sweep.result["failure"]["message"] == f"step sweep failed: {message}"


def test_a_policy_cancels_trials_and_says_by_which_numbers(make_sweep):
    space = {"x": {"type": "choice", "values": [0.1, 0.9, 0.2]}}
    policy = {"type": "bandit", "slack_amount": 0.5, "delay_evaluation": 3}
    sweep = make_sweep(lambda params: [params["x"]] * 9, sampling="grid", space=space, policy=policy)
    table = sweep.run(restarts=True)
    stopped = table["sweep.1"]
    assert (stopped.status, stopped.failure) == (RunStatus.CANCELED, "stopped")
    assert stopped.message.startswith("stopped at interval ")
    assert stopped.message.endswith(
        " by bandit: loss 0.9 is worse than 0.6, the limit for a best of 0.1 and slack_amount 0.5"
    )
    assert sweep.backend.polls[stopped.token] < 9
    assert table["sweep.0"].is_best
    assert [table[f"sweep.{index}"].status for index in (0, 2)] == [RunStatus.COMPLETED] * 2


def test_a_sweep_that_reaches_its_timeout_cancels_its_trials_and_completes_if_one_did(make_sweep, monkeypatch):
    monkeypatch.setattr("reconciler.engine.driver.loop.utc_timestamp", clock := Clock())
    space = {"x": {"type": "choice", "values": [1, 2]}}
    sweep = make_sweep(
        lambda params: [0.5] * (3 if params["x"] == 1 else 10**6), sampling="grid", space=space, timeout=60
    )
    driver = sweep.driver()
    for _ in range(20):
        driver.step()
    clock.seconds = 59
    driver.step()
    assert driver.log.table["sweep.1"].status is RunStatus.RUNNING
    clock.seconds = 61
    table = sweep.run()
    assert (table["sweep.1"].status, table["sweep.1"].failure) == (RunStatus.CANCELED, "timeout")
    assert table["sweep.1"].message == "the sweep reached its limits.timeout of 60 seconds"
    assert table["sweep"].status is RunStatus.COMPLETED


class Clock:
    seconds = 0

    def __call__(self, _precision):
        return f"2026-01-01T00:{self.seconds // 60:02d}:{self.seconds % 60:02d}.000Z"


def test_a_canceled_sweep_ends_when_its_trials_have(make_sweep):
    sweep = make_sweep(lambda _params: [0.5] * 10**6, max_concurrent_trials=2)
    driver = sweep.driver()
    for _ in range(10):
        driver.step()
    sweep.store.create(f"{CANCELS}/{TOKEN}", b"{}")
    table = sweep.run(restarts=True)
    assert {run.status for run in table.values()} == {RunStatus.CANCELED}
    assert sweep.result["status"] == "canceled"
    assert len(sweep.backend.submitted) == 2


def test_without_a_limit_of_its_own_a_sweep_starts_a_few_trials_more_than_run(make_sweep):
    sweep = make_sweep(lambda _params: [0.5] * 10**6, max_total_trials=100)
    driver = sweep.driver()
    driver.step()
    driver.step()
    assert len(find_trials(driver.log.table, "sweep")) == 8


def test_the_values_of_a_search_space_are_inputs_of_the_trial():
    command = "x ${{search_space.a}} '${{ search_space.b }}' ${{inputs.a}} ${{inputs.c}} ${{search_space.other}}"
    task = Task("", "job/it", "", command, Prefix("/p", "host"), inputs={"a": TaskLiteral(0), "c": TaskLiteral(3)})
    trial = trial_task(task, {"a": 1, "b": {"n": [1]}})
    assert trial.command == "x ${{inputs.a}} '${{inputs.b}}' ${{inputs.a}} ${{inputs.c}} ${{search_space.other}}"
    assert trial.inputs == {"a": TaskLiteral(1), "b": TaskLiteral({"n": [1]}), "c": TaskLiteral(3)}
    assert replace(trial, command=command, inputs=task.inputs) == task
