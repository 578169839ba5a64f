"""kill -9 at any step of an apply: the next apply finishes the work, in the same clone or in a fresh one.

The final state is the same as without the kill, every run is executed once, and no lock remains. `make soak` tries
every step in both clones; `make test-services` tries some of them, chosen by a seed that it prints.
"""

from __future__ import annotations

import os
import random
import signal

import pytest
from faults.seed import SEED
from workspaces import APPLY

pytestmark = [pytest.mark.slow, pytest.mark.services]

_SAMPLES = 2
_ROUNDS = int(os.environ.get("MLGIT_ROUNDS") or 200)
_KILL_PROBABILITY = 0.6


def check_recovery(shared, without_faults, kill_at, *, in_fresh_clone):
    """Kill an apply at a step, apply again, and compare with the state after an apply without a fault."""
    one = shared.top / "one"
    code, output = shared.run(one, *APPLY, kill_at=kill_at)
    assert code in {-signal.SIGKILL, 0}, output  # 0: the apply needed fewer steps than before
    clone = shared.clone("two") if in_fresh_clone else one
    code, output = shared.run(clone, *APPLY)
    report = f"killed at step {shared.steps()[-1]}, then: {output}"
    assert code == 0, report
    assert shared.live(clone) == without_faults[0], report
    assert sorted(shared.executions.values()) == [1, 1], report
    assert shared.remaining_locks(clone) == [], report
    code, output = shared.run(clone, "plan", "--detailed-exitcode")
    assert (code, output.splitlines()[0]) == (0, "No changes. The live state is what Git declares."), report


@pytest.mark.parametrize("in_fresh_clone", [False, True], ids=["here", "in a fresh clone"])
@pytest.mark.parametrize("sample", range(_SAMPLES))
def test_the_next_apply_finishes_the_work_of_a_killed_one(sample, in_fresh_clone, shared, without_faults):
    print("seed", SEED)
    step = random.Random(SEED * 100 + sample * 2 + in_fresh_clone).randrange(1, len(without_faults[1]) + 1)  # noqa: S311
    check_recovery(shared, without_faults, step, in_fresh_clone=in_fresh_clone)


@pytest.mark.soak
@pytest.mark.parametrize("in_fresh_clone", [False, True], ids=["here", "in a fresh clone"])
def test_the_next_apply_finishes_the_work_of_one_killed_at_any_step(in_fresh_clone, shared_workspaces, without_faults):
    for step, shared in zip(range(1, len(without_faults[1]) + 1), shared_workspaces(), strict=False):
        check_recovery(shared, without_faults, step, in_fresh_clone=in_fresh_clone)


def check_concurrent_recovery(shared, without_faults, chance):
    """Let two clones apply the same at once, each perhaps killed; a third one finishes the work."""
    clones = [shared.top / "one", shared.clone("two")]
    step_count = len(without_faults[1])
    steps = [chance.randrange(1, step_count + 1) if chance.random() < _KILL_PROBABILITY else -1 for _ in clones]
    processes = [shared.start(clone, *APPLY, kill_at=step) for clone, step in zip(clones, steps, strict=True)]
    ends = [(process.communicate(timeout=300)[0], process.returncode) for process in processes]
    report = f"killed at {steps}: {ends}"
    assert {code for _, code in ends} <= {0, -signal.SIGKILL}, report
    third = shared.clone("three")
    code, output = shared.run(third, *APPLY)
    report = f"{report}, then: {output}"
    assert code == 0, report
    assert shared.live(third) == without_faults[0], report
    assert sorted(shared.executions.values()) == [1, 1], report
    assert shared.remaining_locks(third) == [], report


def test_two_concurrent_applies_of_which_one_may_be_killed_reach_the_same_state(shared, without_faults):
    print("seed", SEED)
    check_concurrent_recovery(shared, without_faults, random.Random(SEED))  # noqa: S311


@pytest.mark.soak
@pytest.mark.parametrize("half", [0, 1])
def test_two_concurrent_applies_killed_anywhere_reach_the_same_state(half, shared_workspaces, without_faults):
    print("seed", SEED)
    chance = random.Random(SEED + half)  # noqa: S311
    for _, shared in zip(range(_ROUNDS // 2), shared_workspaces(), strict=False):
        check_concurrent_recovery(shared, without_faults, chance)
