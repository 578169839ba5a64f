"""What no provider realises is said by `validate` at its line, and counted by `init --here`."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.fast

AUTOML = (
    "$schema: https://azuremlschemas.azureedge.net/latest/autoMLClassificationJob.schema.json\n"
    "type: automl\ntask: classification\nprimary_metric: accuracy\ntarget_column_name: y\n"
    "training_data: {type: mltable, path: azureml:numbers@latest}\n"
)
CONNECTION = (
    "$schema: https://azuremlschemas.azureedge.net/latest/workspaceConnection.schema.json\n"
    "name: archive\ntype: git\ntarget: https://example.org/x.git\n"
)
SPARK_WITHOUT_CODE = (
    "$schema: https://azuremlschemas.azureedge.net/latest/sparkJob.schema.json\n"
    "type: spark\ncode: ./nowhere\nentry: {file: main.py}\n"
    "conf: {spark.driver.cores: 1, spark.driver.memory: 2g, spark.executor.cores: 2, spark.executor.memory: 2g}\n"
    "resources: {instance_type: standard_e4s_v3, runtime_version: '3.4'}\n"
)
FILES = {"p/one.yml": AUTOML, "p/two.yml": AUTOML, "connection.yml": CONNECTION, "spark.yml": SPARK_WITHOUT_CODE}


def recorded_only(mlgit, folder, *paths):
    printed = json.loads(mlgit("validate", *paths, "--format", "json", cwd=folder).out)
    notes = [item for item in printed["diagnostics"] if item["code"] == "recorded-only"]
    assert {item["severity"] for item in notes} <= {"note"}
    return {
        (place["path"], place["line"]): item["message"] for item in notes for place in (item, *item.get("places", ()))
    }


def test_validate_has_a_note_at_each_asset_that_is_recorded_only(small, mlgit):
    commit(small, "more", FILES)
    automl = {
        ("p/one.yml", 2): "recorded only: mlgit cannot run automl jobs",
        ("p/two.yml", 2): "recorded only: mlgit cannot run automl jobs",
    }
    others = {
        ("connection.yml", 3): "recorded only: no provider for this kind",
        ("spark.yml", 2): "recorded only: mlgit cannot run spark jobs",
    }
    assert recorded_only(mlgit, small) == automl | others
    assert recorded_only(mlgit, small, "--ref", "HEAD", "p") == automl
    assert recorded_only(mlgit, small, "p") == automl
    assert recorded_only(mlgit, small, "p/two.yml").keys() == {("p/two.yml", 2)}
    assert recorded_only(mlgit, small, "jobs/sum.yml") == {}


def test_init_counts_jobs_that_cannot_run_also_in_files_with_errors(tmp_path, mlgit):
    folder = tmp_path / "repository"
    write(folder, FILES)
    git(folder, "init", "-q")
    commit(folder)
    ended = mlgit("init", "--here", cwd=folder)
    assert ended.code == 0, ended.err
    assert "0 of 3 jobs can run here; 3 cannot: 2 automl jobs, 1 spark job." in " ".join(ended.out.split())
