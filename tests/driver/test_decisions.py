"""The decisions of drivers: laws that hold for any graph, whatever fails and whoever is killed when."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.graphs import make_graph, make_step
from driver.simulation import CONTENT, KilledError, MemoryBackend, MemoryStore, World
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.driver.decisions import decide_steps
from reconciler.engine.driver.events import CANCELS, EVENTS, GRAPHS, RESULTS, EventLog
from reconciler.engine.driver.graph import FrozenGraph
from reconciler.engine.driver.loop import Driver, drive
from reconciler.engine.driver.reuse import Found, is_kept_for_reuse
from reconciler.model import Phase, RunStatus
from reconciler.model.step_runs import StepRun

MAX_TICKS = 2000
ENDS = {Phase.SUCCEEDED: RunStatus.COMPLETED, Phase.FAILED: RunStatus.FAILED, Phase.GONE: RunStatus.LOST}


@st.composite
def graphs(draw: st.DrawFn) -> FrozenGraph:
    """Draw a graph of steps, each of which reads from some of those before it."""
    count = draw(st.integers(1, 8))
    steps = []
    for index in range(count):
        sources = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        reads = {f"i{source}": f"s{source}" for source in sources}
        steps.append(make_step(f"s{index}", f"run {index}", reads))
    return make_graph(steps, retries=draw(st.integers(0, 2)), continues_on_failure=draw(st.booleans()))


def expected_statuses(graph: FrozenGraph, world: World) -> dict[str, RunStatus]:
    """Return how each step ends in a run that nothing disturbs, if failed steps stop no others."""
    statuses: dict[str, RunStatus] = {}
    for path, step in graph.steps.items():
        if any(statuses[need] is not RunStatus.COMPLETED for need in step.needs):
            statuses[path] = RunStatus.NOT_STARTED
            continue
        attempts = range(1, graph.retries + 2)
        ends = [world.outcome(path, graph.child_token(path, attempt)) for attempt in attempts]
        statuses[path] = ENDS[next((end for end in ends if end is not Phase.GONE), Phase.GONE)]
    return statuses


class Chance:
    """What hypothesis decides of a run: how attempts end, who is killed when, who goes on, and a cancel."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._outcomes: dict[str, Phase] = {}
        self._kills = iter(data.draw(st.lists(st.integers(1, 12), max_size=8)))
        self._effects_left = next(self._kills, 0)
        self.cancel_turn = data.draw(st.one_of(st.none(), st.integers(0, 20)))

    def outcome(self, _path: str, token: str) -> Phase:
        if token not in self._outcomes:
            phases = [Phase.SUCCEEDED] * 3 + [Phase.FAILED, Phase.GONE]
            self._outcomes[token] = self._data.draw(st.sampled_from(phases))
        return self._outcomes[token]

    def before_effect(self) -> None:
        self._effects_left -= 1
        if self._effects_left == 0:
            self._effects_left = next(self._kills, 0)
            raise KilledError

    def driver(self, turn: int) -> int:
        return self._data.draw(st.integers(0, 1)) if turn < 30 else turn % 2


def make_driver(graph: FrozenGraph, world: World) -> Driver:
    """Return a driver of a graph that was submitted."""
    world.entries.setdefault(f"{GRAPHS}/{graph.token}", b"")
    return Driver(graph, MemoryStore(world), lambda _name: MemoryBackend(world), "here")


def run_with_two_drivers(graph: FrozenGraph, world: World, chance: Chance) -> None:
    """Let two drivers run a graph; one that is killed is started again."""

    def new_driver() -> Driver:
        return make_driver(graph, world)

    drivers, started = [new_driver(), new_driver()], [False, False]
    for turn in range(MAX_TICKS):
        if f"{RESULTS}/{graph.token}" in world.entries:
            return
        if turn == chance.cancel_turn:
            world.entries[f"{CANCELS}/{graph.token}"] = b""
        number = chance.driver(turn)
        try:
            if not started[number]:
                drivers[number].start()
                started[number] = True
            drivers[number].step()
        except KilledError:
            drivers[number], started[number] = new_driver(), False
    raise AssertionError("the run does not end")


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data())
def test_whatever_is_killed_no_attempt_runs_twice_and_each_lost_one_has_one_successor(graph, data):
    chance = Chance(data)
    world = World(chance.outcome, chance.before_effect)
    run_with_two_drivers(graph, world, chance)
    log = EventLog(MemoryStore(world), graph)
    log.read_new()
    assert_history(graph, world, [step for event in log.events for step in event.steps])
    is_canceled = f"{CANCELS}/{graph.token}" in world.entries
    if graph.continues_on_failure and not is_canceled:
        assert {path: log.table[path].status for path in graph.steps} == expected_statuses(graph, world)
    result = json.loads(world.entries[f"{RESULTS}/{graph.token}"])
    is_complete = all(step.status is RunStatus.COMPLETED for step in log.table.values())
    assert result["status"] == ("completed" if is_complete else "canceled" if is_canceled else "failed")


def assert_history(graph: FrozenGraph, world: World, history: list[StepRun]) -> None:
    """Assert what holds for the events of every run."""
    intended = Counter(step.token for step in history if step.status is RunStatus.INTENDED)
    assert set(intended.values()) <= {1}, "an attempt was decided twice"
    assert set(world.executions) <= set(intended), "something ran that nobody had decided"
    assert set(world.executions.values()) <= {1}, "an attempt ran twice"
    for path in graph.steps:
        own = [step for step in history if step.step == path]
        ended = [step for step in own if not step.status.is_active]
        attempts = [step.attempt for step in own if step.status is RunStatus.INTENDED]
        assert attempts == list(range(1, len(attempts) + 1))
        lost = [step.attempt for step in ended if step.status is RunStatus.LOST]
        assert attempts[1:] == [attempt + 1 for attempt in lost if attempt < len(attempts)]
        if any(step.status is RunStatus.COMPLETED for step in own):
            assert own[-1].status is RunStatus.COMPLETED, "a completed step did not stay so"


def completed(graph: FrozenGraph, path: str) -> StepRun:
    return StepRun(path, RunStatus.COMPLETED, token="t", outputs={"out": CONTENT.to_json()})  # noqa: S106


def nothing_found(_key: str) -> Found:
    return Found()


def test_a_step_starts_when_all_that_it_reads_from_has_completed():
    graph = make_graph([make_step("a", "a"), make_step("b", "b"), make_step("c", "c", {"x": "a", "y": "b"})])
    assert list(decide_steps(graph, {}, nothing_found)) == ["a", "b"]
    assert list(decide_steps(graph, {"a": completed(graph, "a")}, nothing_found)) == ["b"]
    done = {path: completed(graph, path) for path in ("a", "b")}
    (step,) = decide_steps(graph, done, nothing_found).values()
    assert (step.step, step.status, step.inputs) == ("c", RunStatus.INTENDED, {"x": "1" * 64, "y": "1" * 64})


def test_a_chain_of_steps_that_are_all_reused_is_decided_at_once():
    graph = make_graph([make_step("a", "a"), make_step("b", "b", {"x": "a"}), make_step("c", "c", {"x": "b"})])
    decided = decide_steps(graph, {}, lambda _key: Found(completed(graph, "z"), "pipe-0/z"))
    assert [(step.step, step.reused_from) for step in decided.values()] == [(path, "pipe-0/z") for path in "abc"]


def test_a_step_whose_input_was_never_written_fails_with_both_names():
    graph = make_graph([make_step("prep", "true"), make_step("train", "train", {"data": "prep"})])
    empty = {**CONTENT.to_json(), "files": 0, "size": 0}
    prep = StepRun("prep", RunStatus.COMPLETED, outputs={"out": empty})
    (step,) = decide_steps(graph, {"prep": prep}, nothing_found).values()
    assert (step.status, step.failure) == (RunStatus.FAILED, "user")
    assert step.message == "inputs.data has no files: step prep has written nothing to its output out"


def test_the_reason_of_a_step_that_runs_is_the_one_cause():
    later = make_step("train", "t", {"data": "prep"}, previous={"data": "0" * 64})
    forced = make_graph([make_step("prep", "p"), later], is_forced=True)
    graph = make_graph([make_step("prep", "p", cause="inputs.lr 0.1 -> 0.2"), later])
    chance = make_graph([make_step("prep", "p", is_deterministic=False)])

    def reason(graph: FrozenGraph, path: str, *, is_dropped: bool = False) -> str:
        table = {other: completed(graph, other) for other in graph.steps if other != path}
        return decide_steps(graph, table, lambda _key: Found(is_dropped=is_dropped))[path].reason

    assert reason(graph, "prep") == "inputs.lr 0.1 -> 0.2"
    assert reason(graph, "train") == "inputs.data: the output of prep changed"
    assert reason(graph, "train", is_dropped=True) == "the result that it had is no longer in the store"
    assert reason(forced, "train") == "settings.force_rerun: true"
    assert reason(chance, "prep") == "is_deterministic: false"


def test_a_sweep_job_is_never_reused_and_its_result_is_not_kept():
    step = make_step("sweep", "train", sweep={"limits": {"max_total_trials": 1}}, cause="it was requested again")
    found = Found(StepRun("sweep", RunStatus.COMPLETED, outputs={"out": CONTENT.to_json()}), "pipe-0/sweep")
    for is_sweep_job in (True, False):
        graph = make_graph([step], is_sweep=is_sweep_job)
        run = decide_steps(graph, {}, lambda _key: found)["sweep"]
        assert (run.status is RunStatus.INTENDED, not run.reused_from) == (is_sweep_job, is_sweep_job)
        assert is_kept_for_reuse(graph, replace(found.step, key="k")) is not is_sweep_job


def test_a_store_that_is_full_is_waited_for_and_nothing_is_lost():
    world, problems = World(lambda _path, _token: Phase.SUCCEEDED), []
    graph = make_graph([make_step("a", "a"), make_step("b", "b", {"x": "a"})])
    full = iter([False, True, True, False, True])

    def before_effect() -> None:
        if next(full, False):
            raise user_error("store-full", "no space left", "free some space")

    world.before_effect = before_effect
    drive(make_driver(graph, world), problems.append)
    assert problems[:1] == ["no space left"]
    assert problems[-1] == ""
    assert set(world.executions.values()) == {1}
    assert json.loads(world.entries[f"{RESULTS}/{graph.token}"])["status"] == "completed"


def test_a_reused_step_has_its_outputs_at_its_own_paths_and_not_at_those_of_its_origin():
    moved = {**CONTENT.to_json(), "path": "azureml://datastores/old"}
    origin = StepRun("s", RunStatus.COMPLETED, outputs={"out": moved})
    paths = {"out": "azureml://datastores/new/${{name}}"}
    graph = make_graph([make_step("a", "run", output_paths=paths), make_step("b", "run")])
    decided = decide_steps(graph, {}, lambda _key: Found(origin, "run/s"))
    run = graph.child_run("a", graph.child_token("a", 1))
    assert decided["a"].outputs == {"out": {**CONTENT.to_json(), "path": f"azureml://datastores/new/{run}"}}
    assert decided["b"].outputs == {"out": CONTENT.to_json()}


def test_a_driver_ends_and_writes_nothing_when_the_store_has_its_run_no_longer():
    world = World(lambda _path, _token: Phase.SUCCEEDED)
    driver = make_driver(make_graph([make_step("a", "a")]), world)
    driver.start()
    driver.step()
    world.entries.clear()
    with pytest.raises(UserError, match="no longer in the store"):
        drive(driver)
    assert not world.entries


@pytest.mark.parametrize(
    "damage",
    [
        {"step": "other"},
        {"step": ["a"]},
        {"run": "../a"},
        {"attempt": "1"},
        {"inputs": [1]},
        {"key": 1},
        {"metrics": {"loss": "low"}},
        {"outputs": {"out": {"md5": "../../a"}}},
        {"handle": {"provider": "memory"}},
    ],
    ids=str,
)
def test_an_event_that_no_driver_has_written_is_not_believed(damage: dict[str, Any]):
    world = World(lambda _path, _token: Phase.SUCCEEDED)
    graph = make_graph([make_step("a", "a")])
    make_driver(graph, world).start()
    step = {"step": "a", "status": "completed", **damage}
    event = {"host": "here", "at": "2026-01-01T00:00:00.000Z", "steps": [step], "note": ""}
    world.entries[f"{EVENTS}/{graph.token}.000002"] = json.dumps(event).encode()
    with pytest.raises(UserError, match=r"000002 in the store, are damaged"):
        drive(make_driver(graph, world))
