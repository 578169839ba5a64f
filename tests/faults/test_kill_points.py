"""kill -9 at any step of an apply: the next apply finishes the work, here or in a clone that knows nothing of it.

What is final is the same as without the kill, every run is executed once, nothing stays claimed. `make soak` tries
every step in both ways; `make test` some of them, chosen by a seed that it prints.
"""

from __future__ import annotations

import os
import random
import signal

import pytest
from workspaces import APPLY

pytestmark = pytest.mark.slow

_SEED = int(os.environ.get("MLGIT_SEED") or random.SystemRandom().randrange(10_000))
_SAMPLES = 2
_ROUNDS = int(os.environ.get("MLGIT_ROUNDS") or 200)
_KILLED = 0.6


def holds(shared, unharmed, fatal, *, elsewhere):
    """Kill an apply at a step, apply again, and compare with what should have come of it."""
    one = shared.top / "one"
    code, said = shared.run(one, *APPLY, fatal=fatal)
    assert code in {-signal.SIGKILL, 0}, said  # 0: this time it needed fewer steps
    again = shared.clone("two") if elsewhere else one
    code, said = shared.run(again, *APPLY)
    where = f"killed at step {shared.steps()[-1]}, then: {said}"
    assert code == 0, where
    assert shared.live(again) == unharmed[0], where
    assert sorted(shared.executions.values()) == [1, 1], where
    assert shared.left_over(again) == [], where
    code, said = shared.run(again, "plan", "--detailed-exitcode")
    assert (code, said.splitlines()[0]) == (0, "No changes. The live state is what Git declares."), where


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in a fresh clone"])
@pytest.mark.parametrize("sample", range(_SAMPLES))
def test_an_apply_that_is_killed_somewhere_is_finished_by_the_next_one(sample, elsewhere, shared, unharmed):
    print("seed", _SEED)
    step = random.Random(_SEED * 100 + sample * 2 + elsewhere).randrange(1, len(unharmed[1]) + 1)  # noqa: S311
    holds(shared, unharmed, step, elsewhere=elsewhere)


@pytest.mark.soak
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in a fresh clone"])
def test_an_apply_that_is_killed_at_any_step_is_finished_by_the_next_one(elsewhere, each_shared, unharmed):
    for step, shared in zip(range(1, len(unharmed[1]) + 1), each_shared(), strict=False):
        holds(shared, unharmed, step, elsewhere=elsewhere)


def two_at_once(shared, unharmed, chance):
    """Let two clones apply the same at once, each perhaps killed; a third one finishes the work."""
    clones = [shared.top / "one", shared.clone("two")]
    fatal = [chance.randrange(1, len(unharmed[1]) + 1) if chance.random() < _KILLED else -1 for _ in clones]
    processes = [shared.start(clone, *APPLY, fatal=step) for clone, step in zip(clones, fatal, strict=True)]
    ends = [(process.communicate(timeout=300)[0], process.returncode) for process in processes]
    where = f"killed at {fatal}: {ends}"
    assert {code for _, code in ends} <= {0, -signal.SIGKILL}, where
    third = shared.clone("three")
    code, said = shared.run(third, *APPLY)
    assert code == 0, f"{where}, then: {said}"
    assert shared.live(third) == unharmed[0], f"{where}, then: {said}"
    assert sorted(shared.executions.values()) == [1, 1], f"{where}, then: {said}"
    assert shared.left_over(third) == [], f"{where}, then: {said}"


def test_two_applies_at_once_of_which_one_may_be_killed_come_to_the_same(shared, unharmed):
    print("seed", _SEED)
    two_at_once(shared, unharmed, random.Random(_SEED))  # noqa: S311


@pytest.mark.soak
@pytest.mark.parametrize("half", [0, 1])
def test_whatever_happens_to_two_applies_at_once_they_come_to_the_same(half, each_shared, unharmed):
    print("seed", _SEED)
    chance = random.Random(_SEED + half)  # noqa: S311
    for _, shared in zip(range(_ROUNDS // 2), each_shared(), strict=False):
        two_at_once(shared, unharmed, chance)
