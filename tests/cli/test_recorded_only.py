"""What no provider realises is said by `validate` at its line, and counted by `init --here`."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.fast

PIPELINE = "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\ntype: pipeline\njobs: {}\n"
STORE = (
    "$schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json\n"
    "name: archive\ntype: azure_blob\naccount_name: mlarchive\ncontainer_name: raw\n"
)
SWEEP_WITHOUT_CODE = (
    "$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json\n"
    "type: sweep\n"
    "trial: {code: ./nowhere, command: echo, environment: azureml:plain@latest}\n"
    "search_space: {x: {type: uniform, min_value: 0, max_value: 1}}\n"
    "sampling_algorithm: random\n"
    "objective: {goal: maximize, primary_metric: m}\n"
    "limits: {max_total_trials: 2}\n"
)
FILES = {"p/one.yml": PIPELINE, "p/two.yml": PIPELINE, "store.yml": STORE, "sweep.yml": SWEEP_WITHOUT_CODE}


def recorded_only(mlgit, folder, *paths):
    printed = json.loads(mlgit("validate", *paths, "--format", "json", cwd=folder).out)
    notes = [item for item in printed["diagnostics"] if item["code"] == "recorded-only"]
    assert {item["severity"] for item in notes} <= {"note"}
    return {
        (place["path"], place["line"]): item["message"] for item in notes for place in (item, *item.get("places", ()))
    }


def test_validate_has_a_note_at_each_asset_that_is_recorded_only(small, mlgit):
    commit(small, "more", FILES)
    pipelines = {
        ("p/one.yml", 2): "recorded only: mlgit cannot run pipeline jobs",
        ("p/two.yml", 2): "recorded only: mlgit cannot run pipeline jobs",
    }
    others = {
        ("store.yml", 3): "recorded only: no provider for this kind",
        ("sweep.yml", 2): "recorded only: mlgit cannot run sweep jobs",
    }
    assert recorded_only(mlgit, small) == pipelines | others
    assert recorded_only(mlgit, small, "--ref", "HEAD", "p") == pipelines
    assert recorded_only(mlgit, small, "p") == pipelines
    assert recorded_only(mlgit, small, "p/two.yml").keys() == {("p/two.yml", 2)}
    assert recorded_only(mlgit, small, "jobs/sum.yml") == {}


def test_init_counts_jobs_that_cannot_run_also_in_files_with_errors(tmp_path, mlgit):
    folder = tmp_path / "repository"
    write(folder, FILES)
    git(folder, "init", "-q")
    commit(folder)
    ended = mlgit("init", "--here", cwd=folder)
    assert ended.code == 0, ended.err
    assert "3 of 3 jobs cannot run here: 2 pipelines, 1 sweep." in " ".join(ended.out.split())
