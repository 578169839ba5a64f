"""What a plan asks a real Ray cluster, before anything is submitted: each answer is a warning, with what there is."""

from __future__ import annotations

import pytest

from reconciler.backends import _ray_find
from reconciler.backends._ray_api import RayApi
from reconciler.backends._ray_find import find_machine_capacity, find_refusals
from reconciler.backends.ray import BACKEND
from reconciler.diagnostics import Severity
from reconciler.model.capacity import Capacity, Limit, RunRequest
from reconciler.model.resources import Compute, Resources

NOWHERE = {"address": "http://127.0.0.1:9", "folder": "/shared"}


@pytest.fixture(autouse=True)
def _ask_anew():
    """Let no test count on an answer to another one."""
    _ray_find._list_nodes_at.cache_clear()
    yield
    _ray_find._list_nodes_at.cache_clear()


@pytest.fixture
def settings(ray_cluster, monkeypatch):
    """The cluster of the tests wants a token, without which a plan is told nothing."""
    settings = {"address": ray_cluster.address, "folder": "/shared"}
    assert find_refusals({**settings, "cpus": 64}) == ()
    _ray_find._list_nodes_at.cache_clear()

    def open_with_token(address, seconds):
        return RayApi(address, ray_cluster.token, seconds)

    monkeypatch.setattr(_ray_find, "RayApi", open_with_token)
    return settings


@pytest.mark.services
def test_what_no_node_has_is_warned_of_with_what_there_is(settings, monkeypatch):
    monkeypatch.setattr(_ray_find, "_KEPT_SECONDS", 1e9)  # no answer is outdated meanwhile
    (warning,) = find_refusals({**settings, "cpus": 64})
    assert (warning.code, warning.severity) == ("compute-too-small", Severity.WARNING)
    assert warning.message == "each run asks for 64 CPUs, and no node of the Ray cluster has that"
    assert warning.hint.startswith("of its 2 nodes none has more than 2 CPUs and ")
    monkeypatch.setattr(_ray_find, "RayApi", None)  # it is asked once
    assert find_refusals({**settings, "cpus": 2}) == ()


@pytest.mark.services
def test_the_nodes_have_room_for_so_many_instances(settings):
    source = "what the nodes of the Ray cluster have room for"
    # The head has two processors, and the other node one.
    capacities = {cpus: find_machine_capacity({**settings, "cpus": cpus}, RunRequest()) for cpus in (1, 2, 64)}
    limits = {cpus: capacity.instances for cpus, capacity in capacities.items()}
    assert limits == {1: Limit(3, source), 2: Limit(1, source), 64: None}


@pytest.mark.fast
def test_a_cluster_that_does_not_answer_is_said_and_no_machine_is_reached_by_ssh():
    (warning,) = find_refusals(NOWHERE)
    assert (warning.code, warning.severity) == ("backend-unreachable", Severity.WARNING)
    assert warning.message == "Ray at http://127.0.0.1:9 does not answer: Connection refused"
    assert find_machine_capacity(NOWHERE, RunRequest()) == Capacity()
    assert find_refusals({**NOWHERE, "machine": "head"}) == ()


@pytest.mark.fast
def test_files_alone_say_how_many_instances_and_gpus_a_run_has():
    request = RunRequest(Compute("c", {"type": "amlcompute", "max_instances": 3}), Resources(2))
    limit = Limit(3, "max_instances", "raise max_instances of the compute")
    assert BACKEND.find_capacity({}, request) == Capacity(instances=limit)
    assert BACKEND.find_capacity({}, RunRequest(Compute("c", {"type": "amlcompute"}))) == Capacity()
    assert (BACKEND.count_gpus({"gpus_per_run": 4}, request), BACKEND.count_gpus({}, request)) == (8, 0)
