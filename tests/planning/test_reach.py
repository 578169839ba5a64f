from __future__ import annotations

import pytest
from planning.world import SCHEMA, World, done, edited, small

from reconciler.diagnostics import Span
from reconciler.model import RunStatus

INPUT = "path: azureml:numbers@latest"
REMOTE = edited("jobs/sum.yml", INPUT, 'path: "https://example.org/n.csv"')


@pytest.mark.parametrize(
    "written",
    ["azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "{image: python}"],
)
def test_a_run_in_an_environment_that_is_no_asset_here_is_refused_before_it_is_submitted(written):
    _, (diagnostic,) = World().look(edited("jobs/sum.yml", "azureml:plain@latest", written))
    assert (diagnostic.code, diagnostic.span) == ("environment-form", Span("jobs/sum.yml", 5, 14))


@pytest.mark.parametrize("uri", ["https://example.org/n.csv", "azureml://datastores/store/paths/n.csv"])
def test_an_input_that_no_backend_reaches_is_refused_at_its_line(uri):
    _, (diagnostic,) = World().look(edited("jobs/sum.yml", INPUT, f'path: "{uri}"'))
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))
    assert diagnostic.message == f"backend local cannot download URI inputs: {uri}"


def test_data_that_lies_elsewhere_is_as_far_away_as_its_uri():
    _, (diagnostic,) = World().look(
        edited("data/numbers.yml", "path: numbers.csv", 'path: "https://example.org/n.csv"')
    )
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))


def test_a_job_that_reads_a_uri_by_itself_gets_it():
    assert (
        World().plan(edited("jobs/sum.yml", "type: uri_file, ", "type: uri_file, mode: direct, ", REMOTE)).submissions
    )


def test_a_job_that_is_not_submitted_may_want_whatever_it_likes():
    world = World()
    world.apply(small())
    world.end(RunStatus.FAILED, "user")
    assert world.plan(small()).submissions == ()
    pipeline = SCHEMA.format("pipelineJob") + "name: p\ntype: pipeline\njobs: {}\n"
    assert "create job/p" in done(world.plan({**small(), "p.yml": pipeline}))
    assert World().plan(REMOTE, runs=False).submissions == ()


def test_a_path_that_git_does_not_have_is_a_warning_in_the_file_and_an_error_in_the_plan():
    _, diagnostics = World().look(edited("data/numbers.yml", "numbers.csv", "number.csv"))
    assert [(diagnostic.code, diagnostic.span) for diagnostic in diagnostics] == [
        ("path-missing", Span("data/numbers.yml", 4, 7))
    ]
