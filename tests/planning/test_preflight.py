from __future__ import annotations

import pytest
from planning.project import SCHEMA, InMemoryProject, action_keys, edited, small

from reconciler.diagnostics import Span
from reconciler.model import RunStatus

INPUT = "path: azureml:numbers@latest"
REMOTE = edited("jobs/sum.yml", INPUT, 'path: "https://example.org/n.csv"')


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "azureml://registries/azureml/environments/sklearn-1.55/labels/latest",
            "job/sum: mlgit has no recipe for the environment sklearn-1.55 of Azure ML",
        ),
        ("azureml:AzureML-nothing:3", "job/sum: mlgit has no recipe for the environment nothing of Azure ML"),
        (
            "azureml://registries/ours/environments/sklearn-1.5/versions/2",
            "job/sum: the registry ours cannot be reached by mlgit",
        ),
        ("{id: azureml:numbers@latest}", "job/sum needs an environment, but names none"),
    ],
)
def test_a_run_in_an_environment_that_mlgit_does_not_know_is_refused(written, message):
    (diagnostic,) = InMemoryProject().plan(edited("jobs/sum.yml", "azureml:plain@latest", written)).refusals
    assert (diagnostic.code, diagnostic.span) == ("environment-form", Span("jobs/sum.yml", 5, 14))
    assert diagnostic.message == message
    assert "environments: {" in diagnostic.hint or "environment: {image:" in diagnostic.hint


@pytest.mark.parametrize("uri", ["https://example.org/n.csv", "azureml://datastores/store/paths/n.csv"])
def test_a_uri_input_is_refused_at_its_line(uri):
    (diagnostic,) = InMemoryProject().plan(edited("jobs/sum.yml", INPUT, f'path: "{uri}"')).refusals
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))
    assert diagnostic.message == f"backend local cannot download URI inputs: {uri}"


def test_a_data_asset_with_a_uri_is_refused_as_an_input():
    (diagnostic,) = (
        InMemoryProject()
        .plan(edited("data/numbers.yml", "path: numbers.csv", 'path: "https://example.org/n.csv"'))
        .refusals
    )
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))


def test_a_job_in_direct_mode_may_read_a_uri():
    assert (
        InMemoryProject()
        .plan(edited("jobs/sum.yml", "type: uri_file, ", "type: uri_file, mode: direct, ", REMOTE))
        .submissions
    )


def test_preflight_checks_only_submitted_jobs():
    project = InMemoryProject()
    project.apply(small())
    project.end(RunStatus.FAILED, "user")
    assert project.plan(small()).submissions == ()
    pipeline = SCHEMA.format("pipelineJob") + "name: p\ntype: pipeline\njobs: {}\n"
    assert "create job/p" in action_keys(project.plan({**small(), "p.yml": pipeline}))
    assert InMemoryProject().plan(REMOTE, runs=False).submissions == ()
