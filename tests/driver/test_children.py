"""The runs of steps: what their backends are asked for before one is submitted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from driver.graphs import make_graph, make_step
from reconciler.engine.driver.children import Children
from reconciler.model import RunStatus
from reconciler.model.providers import Usage
from reconciler.model.step_runs import StepRun
from reconciler.storage.folder_store import FolderStore

STEP = StepRun("prep", RunStatus.INTENDED, backend="there")


@dataclass
class Place:
    """Of a backend, how full it is, and how often it was asked for that."""

    usages: tuple[Usage, ...]
    asked: int = 0

    def usage(self):
        self.asked += 1
        return self.usages


def ask(place, folder):
    """Return whether there is room for each of three runs."""
    children = Children(make_graph([make_step("prep", "true")]), FolderStore(folder), lambda _name: place)
    return [children.has_room(STEP) for _ in range(3)]


@pytest.mark.parametrize("unit", ["processor", "CPU"])
def test_a_cluster_that_has_no_slots_is_asked_once_how_full_it_is(tmp_path, unit):
    place = Place((Usage("cluster", unit, 8, 8, 200), Usage("cluster", "GPU", 0, 4)))
    assert ask(place, tmp_path) == [True] * 3
    assert place.asked == 1


@pytest.mark.parametrize(
    ("usages", "has_room"),
    [
        ((), True),
        ((Usage("node", "GPU", 1, 4),), True),
        ((Usage("compute/local", "slot", 2, 2, 1),), True),
        ((Usage("compute/local", "slot", 2, 2, 2), Usage("node", "GPU", 1, 4)), False),
    ],
)
def test_a_backend_with_slots_is_asked_before_each_run(tmp_path, usages, has_room):
    place = Place(usages)
    assert ask(place, tmp_path) == [has_room] * 3
    assert place.asked == 3
