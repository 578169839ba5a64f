"""mlgit killed at every step of an effect on a resource: nothing is leaked, and nothing is made twice."""

from __future__ import annotations

import itertools
import os
import signal
import sys

import pytest
from resource_provider import ReferenceResource
from resources.conftest import compute, recorded
from workspaces import commit

from reconciler import cli
from reconciler.git import refs
from reconciler.state.journal import Journal

pytestmark = [pytest.mark.slow, pytest.mark.services]

APPLY = ("apply", "--auto-approve")
NO_COMPUTE = {"compute/cpu.yml": None}
# What is applied without a fault, then with a kill at each step, and what the provider has in the end: the size.
CASES = {
    "create": ({}, compute(), ["small"]),
    "update": (compute(), compute(nodes=3), ["small"]),
    "replace": (compute(), compute(size="large"), ["large"]),
    "delete": (compute(), NO_COMPUTE, []),
}


def put(folder, files):
    for name in [name for name, text in files.items() if text is None]:
        (folder / name).unlink(missing_ok=True)
    commit(folder, "change", {name: text for name, text in files.items() if text is not None})


def kill_after(number):
    """Kill this process at a step: before or after an update of refs, a line of the journal, a call of the provider."""
    steps = itertools.count(1)

    def count(owner, name):
        original = getattr(owner, name)

        def counted(*arguments, **options):
            if next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **options)
            if next(steps) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, counted)

    count(refs, "update_refs")
    count(Journal, "append")
    for name in ("create", "find", "update", "delete", "read"):
        count(ReferenceResource, name)


def run_and_kill(folder, number):
    """Run an apply in a fork that is killed at a step; return how it ended: -SIGKILL or its exit code."""
    child = os.fork()
    if not child:
        code = 99
        try:
            os.chdir(folder)
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the process ends
            kill_after(number)
            sys.argv = ["mlgit", *APPLY]
            cli.run_command_line()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("case", CASES)
def test_an_effect_that_was_killed_at_any_step_is_finished_by_the_next_apply(case, cluster, provider, mlgit):
    before, after, sizes = CASES[case]
    put(cluster, {**NO_COMPUTE, **before})
    for number in itertools.count(1):
        assert mlgit(*APPLY, cwd=cluster).code == 0
        provider_made = len(provider.made)
        put(cluster, after)
        code = run_and_kill(cluster, number)
        assert code in {0, -signal.SIGKILL}, number
        finished = mlgit(*APPLY, cwd=cluster)
        assert finished.code == 0, (number, finished.err)
        assert [thing["size"] for thing in provider.things.get("cpu", [])] == sizes, number
        assert len(provider.made) - provider_made == (case in {"create", "replace"}), number
        record = recorded(cluster)
        assert "intent" not in (record or {}), number
        assert (record is None) == (not sizes), number
        assert mlgit("plan", cwd=cluster).out.startswith("No changes. "), number
        if code == 0:
            break
        put(cluster, {**NO_COMPUTE, **before})
    assert number > 10  # there were that many steps


@pytest.mark.parametrize("case", CASES)
def test_an_effect_that_was_killed_leaves_nothing_once_its_asset_is_removed(case, cluster, provider, mlgit):
    before, after, _ = CASES[case]
    put(cluster, {**NO_COMPUTE, **before})
    for number in itertools.count(1, 3):
        assert mlgit(*APPLY, cwd=cluster).code == 0
        put(cluster, after)
        code = run_and_kill(cluster, number)
        put(cluster, NO_COMPUTE)
        removed = mlgit(*APPLY, cwd=cluster)
        assert removed.code == 0, (number, removed.err)
        assert (provider.things, recorded(cluster)) == ({}, None), number
        if code == 0:
            break
        put(cluster, before)
