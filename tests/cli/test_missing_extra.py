"""A sweep whose sampling needs a package that is not installed is refused alone, with what to install."""

from __future__ import annotations

import pytest
from workspaces import commit

SWEEP = """
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
name: tune
type: sweep
compute: local
trial: {{command: 'echo ${{{{search_space.x}}}}', environment: azureml:plain@latest}}
search_space: {{x: {{type: uniform, min_value: 0, max_value: 1}}}}
sampling_algorithm: {sampling}
objective: {{goal: minimize, primary_metric: loss}}
limits: {{max_total_trials: 4}}
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
name: outer
type: pipeline
jobs:
  tune:
    type: sweep
    compute: local
    trial: {{command: 'echo ${{{{search_space.x}}}}', environment: azureml:plain@latest}}
    search_space: {{x: {{type: uniform, min_value: 0, max_value: 1}}}}
    sampling_algorithm: {sampling}
    objective: {{goal: minimize, primary_metric: loss}}
    limits: {{max_total_trials: 4}}
"""


@pytest.fixture
def shown(small, mlgit, monkeypatch):
    """Return a function that returns the plan of a workspace with a job more, where no extra is installed."""
    monkeypatch.setattr("reconciler.project.planner_support.find_spec", lambda _name: None)

    def show(text):
        commit(small, "sweep", {"jobs/it.yml": text})
        plan = mlgit("plan", cwd=small)
        return plan.out + plan.err

    return show


@pytest.mark.parametrize(
    ("job", "sampling", "message"),
    [
        (SWEEP, "bayesian", "jobs/it.yml:7:21: error: job/tune: bayesian sampling needs optuna"),
        (SWEEP, "{type: random, rule: sobol}", "jobs/it.yml:7:21: error: job/tune: sobol sampling needs scipy"),
        (PIPELINE, "bayesian", "jobs/it.yml:10:25: error: job/outer/tune: bayesian sampling needs optuna"),
    ],
)
def test_the_plan_says_what_to_install(shown, job, sampling, message):
    plan = shown(job.format(sampling=sampling))
    assert f"{message}, which is not installed [extra-missing]" in plan
    assert "run `pip install 'mlgit[sweep]'`" in plan
    assert "job/sum" in plan  # the others are planned


def test_a_sweep_by_random_numbers_needs_nothing_more(shown):
    plan = shown(SWEEP.format(sampling="random"))
    assert "extra-missing" not in plan
    assert "job/tune" in plan
