"""How often Ray is asked for its jobs and nodes, without a cluster."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.backends import _ray_listing, _ray_node
from reconciler.backends._ray_api import RayApi
from reconciler.backends._ray_listing import RecentJobs
from reconciler.backends._ray_node import RayNodeBackend
from reconciler.diagnostics import UserError
from reconciler.model.tasks import Prefix, Task

RUNNING, ENDED = {"status": "RUNNING"}, {"status": "FAILED"}
TASK = Task("train-1a2b3c4d", "job/train", "c0ffee" * 7, "true", Prefix("/shared/environments/a", "head"))


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (_ray_listing, _ray_node):
        monkeypatch.setattr(module, "time", clock)
    return clock


class Cluster(RayApi):
    """Answers with what a test says, after a tenth of a second, and counts how often it was asked."""

    def __init__(self, clock, jobs=(), nodes=()):
        super().__init__("http://127.0.0.1:1")
        self.clock, self.jobs, self.nodes, self.asked = clock, dict(jobs), nodes, Counter()

    def list_jobs(self):
        self.asked["jobs"] += 1
        self.clock.now += 0.1
        return dict(self.jobs)

    def list_nodes(self):
        self.asked["nodes"] += 1
        return self.nodes


def test_a_list_of_jobs_that_are_active_counts_for_nine_times_as_long_as_it_took(clock):
    cluster, recent = Cluster(clock, {"a": RUNNING, "b": {"status": "PENDING"}}), RecentJobs()
    assert recent.read(cluster, ["a", "b"]) == cluster.jobs
    cluster.jobs["a"] = ENDED
    clock.now += 0.8
    assert recent.read(cluster, ["a"])["a"] == RUNNING
    clock.now += 0.2
    assert recent.read(cluster, ["a"]) == {"a": ENDED}
    assert cluster.asked["jobs"] == 2


@pytest.mark.parametrize("token", ["ended", "unknown"])
def test_a_job_that_is_not_known_to_be_active_is_asked_for_again_at_once(token, clock):
    cluster, recent = Cluster(clock, {"a": RUNNING, "ended": ENDED}), RecentJobs()
    recent.read(cluster, ["a", token])
    recent.read(cluster, ["a", token])
    assert cluster.asked["jobs"] == 2


def test_a_job_that_was_submitted_since_the_list_waits_and_needs_no_new_one(clock):
    cluster, recent = Cluster(clock, {"a": RUNNING}), RecentJobs()
    recent.read(cluster, ["a"])
    recent.add("b")
    assert recent.read(cluster, ["a", "b"]) == {"a": RUNNING, "b": {"status": "PENDING"}}
    assert cluster.asked["jobs"] == 1


def test_a_list_counts_no_longer_when_a_job_was_asked_to_stop(clock):
    cluster, recent = Cluster(clock, {"a": RUNNING}), RecentJobs()
    recent.read(cluster, ["a"])
    recent.expire()
    cluster.jobs["a"] = {"status": "STOPPED"}
    assert recent.read(cluster, ["a"]) == {"a": {"status": "STOPPED"}}


def test_what_other_jobs_have_said_is_not_kept(clock):
    cluster, recent = Cluster(clock, {"a": RUNNING, "other": {**RUNNING, "message": "x" * 20_000}}), RecentJobs()
    assert recent.read(cluster, ["a"]) == {"a": RUNNING}


def test_nodes_are_asked_once_for_runs_that_ask_for_the_same(tmp_path, monkeypatch, clock):
    cluster = Cluster(clock, nodes=({"CPU": 2.0},))
    monkeypatch.setattr(RayNodeBackend, "_api", cluster)
    backend = RayNodeBackend(tmp_path, {"address": "http://127.0.0.1:1"})
    for resources in ({"CPU": 1}, {"CPU": 1}, {"CPU": 2}, {"CPU": 1}):
        backend._check_fit(TASK, resources)
    assert cluster.asked["nodes"] == 2
    clock.now += 60
    backend._check_fit(TASK, {"CPU": 1})
    assert cluster.asked["nodes"] == 3


def test_a_request_that_no_node_had_is_asked_again_and_fits_when_one_has_joined(tmp_path, monkeypatch, clock):
    cluster = Cluster(clock, nodes=({"CPU": 2.0},))
    monkeypatch.setattr(RayNodeBackend, "_api", cluster)
    backend = RayNodeBackend(tmp_path, {"address": "http://127.0.0.1:1"})
    with pytest.raises(UserError, match="asks for 4 CPUs"):
        backend._check_fit(TASK, {"CPU": 4})
    cluster.nodes = ({"CPU": 2.0}, {"CPU": 4.0})
    backend._check_fit(TASK, {"CPU": 4})
    assert cluster.asked["nodes"] == 2
