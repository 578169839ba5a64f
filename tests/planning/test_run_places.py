"""Where the runs of a plan go: which compute and backend, how many instances, how many GPU-hours at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning.project import InMemoryProject, action_on, edited
from planning.test_fit import PIPELINE, PYTORCH, SWEEP, on_local, with_compute

from reconciler.model import Address
from reconciler.model.capacity import RunPlace
from reconciler.planning.sweep_limits import SweepLimits

pytestmark = pytest.mark.fast

GPUS = "{type: local, gpus: 4}"
LOCAL = "compute: azureml:local"


def places_of(files: dict[str, str], name: str = "sum") -> list[RunPlace]:
    """Return the places of the run of a job in the first plan of files."""
    plan, _ = InMemoryProject().plan_with_diagnostics(files)
    return list(action_on(plan, Address("job", name)).runs_on)


def test_a_job_runs_on_the_compute_that_it_names_and_the_backend_that_this_is_bound_to():
    assert places_of(on_local()) == [RunPlace("local", "local")]
    assert places_of(with_compute()) == [RunPlace("gpu", "local")]


@pytest.mark.parametrize(
    ("job", "place"),
    [
        ("", RunPlace("gpu", "local", gpus=1, gpu_hours=None)),
        ("limits: {timeout: 7200}\n", RunPlace("gpu", "local", gpus=1, gpu_hours=2.0)),
        ('limits: {timeout: "90"}\n', RunPlace("gpu", "local", gpus=1, gpu_hours=90 / 3600)),
        (
            f"limits: {{timeout: 3600}}\nresources: {{instance_count: 3}}\n{PYTORCH}",
            RunPlace("gpu", "local", instances=3, gpus=3, gpu_hours=3.0),
        ),
    ],
)
def test_gpu_hours_are_gpus_times_the_time_limit(job, place):
    assert places_of(with_compute(job, GPUS)) == [place]


def test_a_job_without_gpus_has_no_gpu_hours_and_needs_no_time_limit():
    assert places_of(with_compute("", GPUS, size="Standard_DS3_v2")) == [RunPlace("gpu", "local")]


def test_a_sweep_takes_the_gpu_hours_of_all_its_trials():
    files = {**with_compute("", GPUS), "jobs/tune.yml": SWEEP.lstrip()}
    assert places_of(files, "tune") == [RunPlace("gpu", "local", 1, 20, gpus=1, gpu_hours=10.0)]


@pytest.mark.parametrize(
    ("limits", "trial_timeout", "seconds"),
    [
        (SweepLimits(20, 5, None), 60, 1200),
        (SweepLimits(20, 5, 100), 60, 500),  # five at a time until the sweep ends
        (SweepLimits(20, None, 100), None, 2000),
        (SweepLimits(20, None, None), None, None),
        (SweepLimits(None, 5, 100), 60, 500),
        (SweepLimits(None, None, 100), 60, None),
    ],
)
def test_a_sweep_runs_no_longer_than_its_tightest_limit(limits, trial_timeout, seconds):
    assert limits.run_seconds(trial_timeout) == seconds


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 500), st.integers(1, 500))
def test_another_limit_never_makes_a_sweep_longer(trials, concurrent, timeout, trial_timeout):
    bound = SweepLimits(trials, min(trials, concurrent), timeout).run_seconds(trial_timeout)
    looser = SweepLimits(trials, None, None).run_seconds(trial_timeout)
    assert bound is not None
    assert looser is not None
    assert bound <= looser


def test_the_steps_of_a_pipeline_are_counted_by_compute_and_their_hours_added():
    wide = "      instance_count: 9\n"
    pipeline = PIPELINE.replace(wide, f"{wide.replace('9', '2')}    limits: {{timeout: 3600}}\n")
    pipeline = pipeline.replace("command: echo 1,", "command: echo 1, limits: {timeout: 1800},")
    other = "  third: {type: command, command: echo 3, environment: azureml:plain@latest, compute: azureml:cpu}\n"
    cpu = {"compute/cpu.yml": "name: cpu\ntype: amlcompute\nsize: Standard_DS3_v2\n"}
    files = {**with_compute("", GPUS), **cpu, "jobs/both.yml": f"{pipeline.lstrip()}{other}"}
    assert places_of(files, "both") == [
        RunPlace("gpu", "local", steps=2, instances=2, gpus=2, gpu_hours=2.5),
        RunPlace("cpu", "local", steps=1),
    ]
    unlimited = pipeline.replace(" limits: {timeout: 1800},", "")
    assert places_of({**files, "jobs/both.yml": unlimited.lstrip()}, "both")[0].gpu_hours is None


def test_local_is_the_same_compute_with_and_without_the_prefix_of_references():
    assert places_of(on_local()) == places_of(edited("jobs/sum.yml", "compute: local", LOCAL))
