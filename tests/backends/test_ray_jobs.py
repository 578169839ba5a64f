"""What the backend `ray` asks of Ray, and what it reads of its answers, without a cluster."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.backends import BACKENDS
from reconciler.backends._ray_condition import JobState
from reconciler.backends._ray_node import find_resources, make_job, read_job
from reconciler.model.tasks import Prefix, Resources, Task

TASK = Task("train-1a2b3c4d", "job/train", "c0ffee" * 7, "true", Prefix("/shared/environments/a", "head"))
ENDED = "its job ended without a result (FAILED):"
GAVE_UP = (
    "Ray gave up after it had waited too long for a node: set RAY_JOB_START_TIMEOUT_SECONDS, 900 if it is not set, "
    "where its head is started"
)
# As Ray 2.60 has it of a node without the Python.
NO_PYTHON = """Job entrypoint command failed with exit code 127, last available logs (truncated to 20,000 chars):
2026-11-30 19:34:39,649\tINFO job_manager.py:581 -- Runtime env is setting up.
/bin/sh: 1: exec: /opt/py/bin/python3: not found
Running entrypoint for job c0ffee: exec /opt/py/bin/python3 -I -S /shared/runners/a.pyz --apart /shared/runs/a/spec.json
"""
RUNNER = ["/usr/bin/python3", "-I", "/shared/it's $(id).pyz"]
SPEC_FILE = Path("/shared/my runs/$(rm -rf ~)/spec.json")


def test_a_job_has_the_token_for_its_id_and_no_path_becomes_a_command():
    job = make_job(TASK, RUNNER, SPEC_FILE, {"CPU": 0.5, "GPU": 1, "memory": 1 << 30})
    assert shlex.split(job.pop("entrypoint")) == ["exec", *RUNNER, "--apart", str(SPEC_FILE)]
    assert job == {
        "submission_id": TASK.token,
        "metadata": {"run": "train-1a2b3c4d", "address": "job/train"},
        "entrypoint_num_cpus": 0.5,
        "entrypoint_num_gpus": 1,
        "entrypoint_memory": 1 << 30,
    }


def test_a_job_of_several_instances_asks_for_nothing_itself_and_says_what_each_one_asks_for():
    job = make_job(replace(TASK, resources=Resources(instances=2)), RUNNER, SPEC_FILE, {"CPU": 0.5, "GPU": 1})
    assert shlex.split(job.pop("entrypoint")) == ["exec", *RUNNER, "--ray", '{"CPU": 0.5, "GPU": 1}', str(SPEC_FILE)]
    assert job == {"submission_id": TASK.token, "metadata": {"run": "train-1a2b3c4d", "address": "job/train"}}


@pytest.mark.parametrize(
    ("wanted", "settings", "resources"),
    [
        (Resources(), {}, {"CPU": 1}),
        (Resources(), {"cpus": 0.5, "memory": "1.5g", "gpus_per_run": 0}, {"CPU": 0.5, "memory": 3 << 29}),
        (Resources(cpus=2, gpus=1, memory=7), {"cpus": 4, "memory": "1g"}, {"CPU": 2, "GPU": 1, "memory": 7}),
    ],
)
def test_a_run_asks_for_what_its_job_says_else_for_what_the_backend_says(wanted, settings, resources):
    assert find_resources(wanted, settings) == resources


@pytest.mark.parametrize(
    ("job", "note", "state", "message"),
    [
        ({"status": "PENDING"}, {"resources": {"CPU": 1}}, JobState.WAITING, "waits for a node with 1 CPU"),
        (
            {"status": "PENDING", "message": "It may be waiting for several things."},
            {"resources": {"CPU": 0.5, "GPU": 2, "memory": 3 << 29}},
            JobState.WAITING,
            "waits for a node with 0.5 CPUs, 2 GPUs and 1.5 GiB of memory",
        ),
        ({"status": "PENDING"}, {}, JobState.WAITING, "waits for a node"),
        (
            {"status": "RUNNING"},
            {"resources": {"GPU": 1}, "instances": 2},
            JobState.RUNNING,
            "waits for 2 nodes with 1 GPU",
        ),
        (
            {"status": "RUNNING", "message": "Job is currently running."},
            {"resources": {"CPU": 1}},
            JobState.RUNNING,
            "Ray starts it on its node",
        ),
        (
            {"status": "FAILED", "message": "Job entrypoint command failed, last logs:\n/bin/sh: python9: not found\n"},
            {},
            JobState.ENDED,
            "its job ended without a result (FAILED): /bin/sh: python9: not found",
        ),
        (
            {"status": "FAILED", "message": NO_PYTHON},
            {},
            JobState.ENDED,
            f"{ENDED} its node has no /opt/py/bin/python3; set python: of the backend to one that all nodes have",
        ),
        (
            {"status": "FAILED", "message": "python3: can't open file '/s/a.pyz': [Errno 2] No such file or directory"},
            {},
            JobState.ENDED,
            f"{ENDED} its node does not see /s/a.pyz; all nodes must see folder: of the backend under the same path",
        ),
        (
            {"status": "FAILED", "message": "Job entrypoint command failed with exit code 1"},
            {},
            JobState.ENDED,
            f"{ENDED} Job entrypoint command failed with exit code 1",
        ),
        (
            {"status": "FAILED", "message": "Job ..", "error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"},
            {"resources": {"CPU": 1}},
            JobState.ENDED,
            GAVE_UP,
        ),
        ({"status": "SUCCEEDED", "message": None}, {}, JobState.ENDED, "its job ended without a result (SUCCEEDED)"),
    ],
)
def test_what_ray_says_of_a_job_is_said_in_the_words_of_users(job, note, state, message):
    assert read_job(job, note) == (state, message)


def test_a_job_that_waits_on_a_cluster_with_a_problem_names_it():
    job = read_job({"status": "PENDING"}, {}, "gpu2 gives no sign of life")
    assert job == (JobState.WAITING, "waits for a node; gpu2 gives no sign of life")


def test_a_job_that_runs_or_was_stopped_is_known_as_such():
    assert [read_job({"status": status}, {}).state for status in ("RUNNING", "STOPPED", "ADDED LATER")] == [
        JobState.RUNNING,
        JobState.STOPPED,
        JobState.ENDED,
    ]


@pytest.mark.parametrize(
    ("settings", "is_valid"),
    [
        ({}, True),
        ({"address": "https://ray.example.com/cluster/"}, True),
        ({"address": "http://user:word@head:8265"}, False),
        ({"address": "http://head:8265?token=word"}, False),
        ({"address": "ray://head:10001"}, False),
        ({"folder": "shared"}, False),
        ({"cpus": 0}, False),
        ({"cpus": 0.5, "memory": "0.5g"}, True),
        ({"memory": "0g"}, False),
        ({"port": 22}, False),
        ({"port": 22, "machine": "head"}, True),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, is_valid):
    document = {"address": "http://head:8265", "folder": "/shared", **settings}
    validator = Draft202012Validator(json.loads(json.dumps(BACKENDS.load("ray").settings)))
    assert validator.is_valid(document) is is_valid
