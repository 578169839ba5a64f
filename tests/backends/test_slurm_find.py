"""What a plan asks a real Slurm, before anything is submitted: each answer is a warning, with what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends import _slurm_find
from reconciler.backends._slurm_commands import call
from reconciler.backends._slurm_find import find_machine_capacity, find_refusals
from reconciler.diagnostics import Severity, UserError
from reconciler.model.capacity import Capacity, Limit, RunRequest
from reconciler.model.resources import Compute, Resources

pytestmark = pytest.mark.services
LABEL = "the partition main"


@pytest.fixture(autouse=True)
def _ask_anew(slurm):
    """Let no test count on a listing of another one."""
    _slurm_find._list_nodes_at.cache_clear()
    yield
    _slurm_find._list_nodes_at.cache_clear()


@pytest.mark.parametrize(
    ("settings", "code", "message", "hint"),
    [
        (
            {"partition": "absent"},
            "submission-refused",
            "Slurm has no partition absent; the partitions there are: main, both, one, urgent",
            "correct partition: of the backend in mlgit.yml",
        ),
        (
            {"cpus": 3},
            "compute-too-small",
            f"each run asks for cpus: 3, and no node of {LABEL} has that",
            "none has more than 2 processors and 1000M of memory; lower cpus:, memory: or gres: in mlgit.yml",
        ),
        (
            {"gres": "gpu:1", "partition": "one"},
            "compute-too-small",
            "each run asks for gres: gpu:1, and no node of the partition one has that",
            "none has more than 1 processor, 1000M of memory and gpu:0; lower cpus:, memory: or gres: in mlgit.yml",
        ),
        (
            {"constraint": "a100"},
            "compute-too-small",
            f"no node of {LABEL} has the feature a100; its features: none",
            "correct constraint: of the backend in mlgit.yml",
        ),
        (
            {"time": "2h"},
            "compute-too-small",
            f"a run may ask for time: 2h, and {LABEL} ends jobs after 60 minutes",
            "set time: 60m or less in mlgit.yml",
        ),
    ],
)
def test_settings_that_ask_for_more_than_the_cluster_has_are_warned_of(settings, code, message, hint):
    (warning,) = find_refusals({"folder": "/shared", **settings})
    found = (warning.code, warning.message, warning.hint, warning.severity)
    assert found == (code, message, hint, Severity.WARNING)


@pytest.mark.parametrize("settings", [{}, {"cpus": 2, "memory": "1000M", "time": "60m"}, {"partition": "main,one"}])
def test_settings_that_the_cluster_has_nodes_for_are_not(settings):
    assert find_refusals({"folder": "/shared", **settings}) == ()


def test_the_nodes_and_the_time_limit_of_a_partition_are_what_a_run_has():
    request = RunRequest(Compute("c"), Resources(2, timeout=3600))
    nodes = Limit(1, f"nodes of {LABEL} for one run")
    seconds = Limit(3300, f"{LABEL} ends jobs after 60 minutes, 5 of them for files")
    assert find_machine_capacity({"folder": "/shared"}, request) == Capacity(instances=nodes, seconds=seconds)
    limited = find_machine_capacity({"folder": "/shared", "time": "1h"}, request)
    assert limited == Capacity(instances=nodes), "Slurm is asked for no more than that"
    assert find_machine_capacity({"folder": "/shared", "machine": "login1"}, request) == Capacity()


def test_a_cluster_that_does_not_answer_is_said_once_and_asked_once(slurm, monkeypatch):
    slurm.stop_controller()
    monkeypatch.setattr(_slurm_find, "_SECONDS", 1.0)
    monkeypatch.setattr(_slurm_find, "_KEPT_SECONDS", 1e9)  # no listing is outdated meanwhile
    (warning,) = find_refusals({"folder": "/shared"})
    assert (warning.code, warning.severity) == ("backend-unreachable", Severity.WARNING)
    assert "Slurm on " in warning.message
    assert "does not answer: " in warning.message
    monkeypatch.setattr(_slurm_find, "call", None)
    assert find_machine_capacity({"folder": "/shared"}, RunRequest()) == Capacity()


@pytest.mark.skipif(Path("/etc/slurm/slurm.conf").exists(), reason="this machine has a Slurm")
def test_a_machine_without_settings_of_slurm_is_said_to_have_none(monkeypatch):
    monkeypatch.delenv("SLURM_CONF")
    (warning,) = find_refusals({"folder": "/shared"})
    assert warning.message.endswith(" has no slurm.conf that says where its Slurm is")
    assert warning.hint == "set SLURM_CONF to the file, or machine: of the backend to one that submits jobs by ssh"
    with pytest.raises(UserError) as caught:
        call("sbatch", "--parsable", "job.sh")
    assert caught.value.diagnostics[0]._replace(severity=Severity.WARNING) == warning
