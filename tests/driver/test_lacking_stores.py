"""Steps on a store of another package that lacks what this version of mlgit needs: they fail, and say so."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from workspaces import until

from driver.graphs import WRITE, make_graph, make_step
from reconciler.backends import load_backend
from reconciler.engine.driver.children import Children
from reconciler.model import RunStatus
from reconciler.model.step_runs import StepRun


class OldStore:
    """A store that lacks a method."""

    def __init__(self, store, lacking):
        self._store, self._lacking = store, lacking

    def __getattr__(self, name):
        if name == self._lacking:
            raise AttributeError(f"'OldStore' object has no attribute '{name}'")
        return getattr(self._store, name)


def children_of(site, lacking):
    """Return what submits a step with code, on a store that lacks a method, and a run of it."""
    step = make_step("prep", WRITE.format(1))
    step = replace(step, task=replace(step.task, code=site.store.put_file("a.py", io.BytesIO(b"1"))))
    graph = make_graph([step])
    backend = load_backend({"type": "local"}, site.folder / "store")
    run = StepRun("prep", RunStatus.INTENDED, run="prep-1", token="1" * 40, attempt=1, backend="local")
    return Children(graph, OldStore(site.store, lacking), lambda _name: backend), run


@pytest.mark.parametrize("lacking", ["manifest", "local"])
def test_a_step_whose_store_lacks_a_method_fails_when_it_is_submitted_and_is_not_waited_for(site, lacking):
    children, run = children_of(site, lacking)
    ended = children.submit(run, {})
    assert (ended.status, ended.failure) == (RunStatus.FAILED, "staging")
    assert ended.message.endswith(f"AttributeError: 'OldStore' object has no attribute '{lacking}'")
    assert children.problems == {}


def test_a_step_whose_store_lacks_a_method_for_its_outputs_fails_when_it_has_ended(site):
    children, run = children_of(site, "put")
    submitted = children.submit(run, {})
    ended = until(lambda: (seen := children.poll([submitted]).get("prep")) and not seen.status.is_active and seen)
    assert ended.status is RunStatus.FAILED
    assert ended.message.startswith("it completed, but its outputs cannot be stored: ")
    assert ended.message.endswith("'OldStore' object has no attribute 'put'")
