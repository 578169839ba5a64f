"""The metrics endpoint of the controller: /healthz and /metrics on the loopback interface."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from workspaces import git, until

from reconciler.controller.iteration import IterationResult
from reconciler.controller.metrics import ControllerMetrics, serve_metrics
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import RunStatus

FAILED = IterationResult(errors=(Diagnostic("remote-unreachable", "cannot read from the remote origin: gone"),))


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(port):
    """Return the value of every sample by its name and labels."""
    text = get(port, "/metrics")[1]
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_controller_is_healthy_while_iterations_succeed_or_have_not_failed_for_long():
    listener = ControllerMetrics(60)
    assert listener.unhealthy_message() == ""
    listener.on_iteration_end(IterationResult("c" * 40))
    listener.on_iteration_end(FAILED)
    assert listener.unhealthy_message() == ""


def test_three_intervals_without_a_success_are_unhealthy_with_the_reason():
    listener = ControllerMetrics(0.01)
    listener.on_iteration_end(FAILED)
    until(listener.unhealthy_message)
    with serve_metrics(listener, 0) as port:
        status, text = get(port, "/healthz")
        assert status == 503
        assert "cannot read from the remote origin: gone" in text
        listener.interval = 60
        listener.on_iteration_end(IterationResult("c" * 40))
        assert get(port, "/healthz") == (200, "ok\n")


def test_a_decision_that_needs_a_person_is_healthy():
    listener = ControllerMetrics(60)
    listener.on_iteration_end(
        IterationResult("c" * 40, stop_reasons=(Diagnostic("rolled-back", "somebody went back"),))
    )
    with serve_metrics(listener, 0) as port:
        assert get(port, "/healthz")[0] == 200
        assert metrics(port)["mlgit_stopped",] == 1


def test_iterations_failures_drift_and_runs_are_counted():
    listener = ControllerMetrics(60)
    listener.on_iteration_end(IterationResult("c" * 40, drift_count=2, run_counts={RunStatus.RUNNING: 3}))
    listener.on_iteration_end(FAILED)
    with serve_metrics(listener, 0) as port:
        samples = metrics(port)
    assert (samples["mlgit_turns_total",], samples["mlgit_turn_failures_total",]) == (2, 1)
    assert samples["mlgit_last_success_timestamp_seconds",] > 1e9
    assert not [name for name, *_ in samples if name.endswith("_created")]
    assert (samples["mlgit_runs", "running"], samples["mlgit_runs", "failed"]) == (3, 0)


def test_other_paths_are_not_found():
    with serve_metrics(ControllerMetrics(60), 0) as port:
        assert get(port, "/")[0] == 404


def test_only_the_loopback_interface_is_served():
    with serve_metrics(ControllerMetrics(60), 0) as port:
        row = next(line.split() for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} " in line)
        assert row[1] == f"0100007F:{port:04X}"


def test_a_port_that_is_taken_is_an_error_with_a_hint(small, mlgit):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = mlgit("reconcile", "--once", f"--listen={port}", cwd=small)
    assert result.code == 1
    assert f"cannot listen on port {port}" in result.err
    assert "[port-taken]" in result.err
    with pytest.raises(UserError, match="port"), serve_metrics(ControllerMetrics(60), 70_000):
        pass


@pytest.mark.slow
def test_the_endpoint_counts_what_a_controller_does(site, controller):
    running = controller("--listen", "0", "--format", "json")
    running.wait_for("model/total")
    notes = (json.loads(line).get("message", "") for line in running.lines)
    port = int(re.search(r"127\.0\.0\.1:(\d+)/healthz", next(note for note in notes if "healthz" in note))[1])
    # A run is recorded, and its model may be registered one iteration later.
    until(lambda: {("mlgit_runs", "completed"), ("mlgit_actions_total", "done", "register")} <= metrics(port).keys())
    until(lambda: metrics(port)["mlgit_runs", "completed"] == 1)
    samples = metrics(port)
    assert (samples["mlgit_actions_total", "done", "submit"], samples["mlgit_actions_total", "done", "register"]) == (
        1,
        1,
    )
    assert get(port, "/healthz") == (200, "ok\n")
    site.bare.rename(site.top / "away.git")
    until(lambda: get(port, "/healthz")[0] == 503)
    assert "origin" in get(port, "/healthz")[1]
    assert metrics(port)["mlgit_turn_failures_total",] >= 1
    (site.top / "away.git").rename(site.bare)
    until(lambda: get(port, "/healthz")[0] == 200)
    assert running.stop() == 0
    assert git(site.clone, "status", "--porcelain") == ""
