"""How a controller is doing, for machines that ask: on loopback, and nowhere else."""

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


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(port):
    """Return every sample by its name and labels."""
    text = ask(port, "/metrics")[1]
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_all_is_well_while_turns_succeed_or_have_not_failed_for_long():
    health = ControllerMetrics(60)
    assert health.unhealthy_message() == ""
    health.on_iteration_end(IterationResult("c" * 40))
    health.on_iteration_end(FAILED)
    assert health.unhealthy_message() == ""


def test_three_intervals_without_a_success_are_told_with_the_reason():
    health = ControllerMetrics(0.01)
    health.on_iteration_end(FAILED)
    until(health.unhealthy_message)
    with serve_metrics(health, 0) as port:
        status, text = ask(port, "/healthz")
        assert status == 503
        assert "cannot read from the remote origin: gone" in text
        health.interval = 60
        health.on_iteration_end(IterationResult("c" * 40))
        assert ask(port, "/healthz") == (200, "ok\n")


def test_what_is_left_to_people_is_no_illness():
    health = ControllerMetrics(60)
    health.on_iteration_end(IterationResult("c" * 40, stop_reasons=(Diagnostic("rolled-back", "somebody went back"),)))
    with serve_metrics(health, 0) as port:
        assert ask(port, "/healthz")[0] == 200
        assert metrics(port)["mlgit_stopped",] == 1


def test_turns_failures_drift_and_runs_are_counted():
    health = ControllerMetrics(60)
    health.on_iteration_end(IterationResult("c" * 40, drift_count=2, run_counts={RunStatus.RUNNING: 3}))
    health.on_iteration_end(FAILED)
    with serve_metrics(health, 0) as port:
        seen = metrics(port)
    assert (seen["mlgit_turns_total",], seen["mlgit_turn_failures_total",]) == (2, 1)
    assert seen["mlgit_last_success_timestamp_seconds",] > 1e9
    assert not [each for each in seen if each[0].endswith("_created")]
    assert (seen["mlgit_runs", "running"], seen["mlgit_runs", "failed"]) == (3, 0)


def test_other_pages_are_not_there():
    with serve_metrics(ControllerMetrics(60), 0) as port:
        assert ask(port, "/")[0] == 404


def test_only_this_machine_is_answered():
    with serve_metrics(ControllerMetrics(60), 0) as port:
        row = next(line.split() for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} " in line)
        assert row[1] == f"0100007F:{port:04X}"


def test_a_port_that_is_taken_is_an_error_with_a_way_out(small, mlgit):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = mlgit("reconcile", "--once", f"--listen={port}", cwd=small)
    assert ended.code == 1
    assert f"cannot listen on port {port}" in ended.err
    assert "[port-taken]" in ended.err
    with pytest.raises(UserError, match="port"), serve_metrics(ControllerMetrics(60), 70_000):
        pass


@pytest.mark.slow
def test_a_controller_tells_what_it_does(site, controller):
    going = controller("--listen", "0", "--format", "json")
    going.says("model/total")
    notes = (json.loads(line).get("message", "") for line in going.lines)
    port = int(re.search(r"127\.0\.0\.1:(\d+)/healthz", next(note for note in notes if "healthz" in note))[1])
    until(lambda: metrics(port).get(("mlgit_runs", "completed")) == 1)
    seen = metrics(port)
    assert (seen["mlgit_actions_total", "done", "submit"], seen["mlgit_actions_total", "done", "register"]) == (1, 1)
    assert ask(port, "/healthz") == (200, "ok\n")
    site.bare.rename(site.here / "away.git")
    until(lambda: ask(port, "/healthz")[0] == 503)
    assert "origin" in ask(port, "/healthz")[1]
    assert metrics(port)["mlgit_turn_failures_total",] >= 1
    (site.here / "away.git").rename(site.bare)
    until(lambda: ask(port, "/healthz")[0] == 200)
    assert going.end() == 0
    assert git(site.clone, "status", "--porcelain") == ""
