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


@pytest.mark.parametrize(
    "uri",
    [
        "wasbs://data@example.blob.core.windows.net/n.csv",
        "abfss://data@example.dfs.core.windows.net/n.csv",
    ],
)
def test_an_input_that_no_datastore_of_the_workspace_has_is_refused_at_its_line(uri):
    (diagnostic,) = InMemoryProject().plan(edited("jobs/sum.yml", INPUT, f'path: "{uri}"')).refusals
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))
    assert diagnostic.message.startswith("job/sum: ")
    assert uri in diagnostic.message
    assert "mirrors: in mlgit.yml" in diagnostic.hint


@pytest.mark.parametrize("type_", ["uri_folder", "URI_Folder", "mltable", "mlflow_model", "triton_model"])
def test_only_a_file_can_be_downloaded(type_):
    files = edited("jobs/sum.yml", f"type: uri_file, {INPUT}", f'type: {type_}, path: "https://example.org/n"')
    (diagnostic,) = InMemoryProject().plan(files).refusals
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("input-unreachable", 8)
    assert diagnostic.message.endswith(
        f"a {type_.lower()} cannot be downloaded from https://example.org/n: only single files can be"
    )
    assert "type: uri_file" in diagnostic.hint


def test_a_folder_behind_the_https_url_of_a_blob_names_the_datastore_that_is_missing():
    url = "https://example.blob.core.windows.net/data/n/"
    files = edited("jobs/sum.yml", f"type: uri_file, {INPUT}", f'type: uri_folder, path: "{url}"')
    (diagnostic,) = InMemoryProject().plan(files).refusals
    assert "no datastore of this workspace has the container data of the account example" in diagnostic.message
    assert "declare a datastore with that account" in diagnostic.hint


def test_code_behind_a_uri_is_refused():
    (diagnostic,) = InMemoryProject().plan(edited("jobs/sum.yml", "../src", "https://example.org/src.zip")).refusals
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("input-unreachable", 4)


def test_a_data_asset_in_remote_storage_is_refused_as_an_input():
    uri = "wasbs://data@example.blob.core.windows.net/n.csv"
    (diagnostic,) = InMemoryProject().plan(edited("data/numbers.yml", "path: numbers.csv", f"path: {uri}")).refusals
    assert (diagnostic.code, diagnostic.span) == ("input-unreachable", Span("jobs/sum.yml", 8, 35))


def test_a_job_in_direct_mode_may_read_a_uri():
    assert (
        InMemoryProject()
        .plan(edited("jobs/sum.yml", "type: uri_file, ", "type: uri_folder, mode: direct, ", REMOTE))
        .submissions
    )


def test_preflight_checks_only_submitted_jobs():
    project = InMemoryProject()
    project.apply(small())
    project.end(RunStatus.FAILED, "user")
    assert project.plan(small()).submissions == ()
    automl = "name: p\ntype: automl\ntask: regression\nprimary_metric: r2_score\ntarget_column_name: y\n"
    automl += "training_data: {type: mltable, path: azureml:numbers@latest}\ncompute: azureml:nowhere\n"
    plan, _ = project.plan_with_diagnostics({**small(), "p.yml": SCHEMA.format("autoMLJob") + automl})
    assert "create job/p" in action_keys(plan)
    remote = edited("jobs/sum.yml", "https:", "wasbs:", REMOTE)
    assert InMemoryProject().plan(remote, runs=False).submissions == ()
