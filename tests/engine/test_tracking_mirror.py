"""`tracking:` in mlgit.yml: ended runs and versions of models are in an MLflow registry, a real one."""

from __future__ import annotations

import json

import pytest
import requests
from workspaces import APPLY, commit, edit

pytestmark = [pytest.mark.slow, pytest.mark.services]

WRITING = """
import json, os, pathlib, sys, urllib.request
pathlib.Path("outputs/plot.txt").write_text("plot")
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-batch"
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
body = {
    "run_id": os.environ["MLFLOW_RUN_ID"],
    "params": [{"key": "depth", "value": "3"}],
    "metrics": [{"key": "accuracy", "value": 0.75, "timestamp": 1, "step": 0}],
}
urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")).close()
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""


class Registry:
    """MLflow's API as a client of it sees it."""

    def __init__(self, url):
        self.url = url

    def post(self, path, /, **body):
        answer = requests.post(f"{self.url}/api/2.0/mlflow{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def get(self, path, /, **query):
        answer = requests.get(f"{self.url}/api/2.0/mlflow{path}", params=query, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def runs(self, lineage):
        experiments = [
            item["experiment_id"] for item in self.post("/experiments/search", max_results=100)["experiments"]
        ]
        query = f"tags.`mlgit.lineage` = '{lineage}' AND tags.`mlgit.job` = 'job/sum'"
        return self.post("/runs/search", experiment_ids=experiments, filter=query).get("runs", [])

    def versions(self, name):
        return self.get("/model-versions/search", filter=f"name = '{name}'").get("model_versions", [])


@pytest.fixture
def registry(mlflow_registry, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Registry(mlflow_registry.url)


@pytest.fixture
def folder(workspace, registry, request):
    """Make a workspace that is mirrored, whose names no other test has; it logs parameters and metrics."""
    folder, name = workspace.folder, request.node.name.replace("[", "-").strip("]")[-40:]
    (folder / "src/sum.py").write_text(WRITING, "utf-8")
    lineage = f"{abs(hash(name)):032x}"[-32:]
    edit(folder, "mlgit.yml", "1" * 32, lineage)
    edit(folder, "models/total.yml", "name: total", f"name: {name}")
    with (folder / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(f"tracking: {{url: {registry.url}}}\n")
    commit(folder)
    return folder, name, lineage


def applied(mlgit, folder):
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out + result.err
    return result.out + result.err


def pairs(items):
    return {item["key"]: item["value"] for item in items}


def test_runs_and_versions_are_mirrored_once(folder, mlgit, registry, tmp_path):
    folder, name, lineage = folder
    assert f"mirrored 1 run and 1 model version to {registry.url}" in applied(mlgit, folder)
    (run,) = registry.runs(lineage)
    recorded = json.loads(mlgit("show", "job/sum", "--format", "json", cwd=folder).out)["latest_run"]
    assert (run["info"]["run_name"], run["info"]["status"]) == (recorded["run"], "FINISHED")
    assert pairs(run["data"]["metrics"]) == {"accuracy": 0.75}
    assert pairs(run["data"]["params"]) == {"depth": "3", "factor": "2"}
    tags = pairs(run["data"]["tags"])
    assert tags["mlgit.run"] == recorded["run"]
    assert tags["mlflow.source.git.commit"] == recorded["commit"]
    artifacts = registry.get("/artifacts/list", run_id=run["info"]["run_id"], path="outputs")["files"]
    assert [file["path"] for file in artifacts] == ["outputs/plot.txt"]
    (version,) = registry.versions(name)
    assert version["run_id"] == run["info"]["run_id"]
    assert version["source"].endswith(f"/mlgit-models/model/{name}@1/total")
    assert pairs(version["tags"])["mlgit.version"] == "1"
    assert "mirrored" not in applied(mlgit, folder)
    assert len(registry.runs(lineage)) == len(registry.versions(name)) == 1
    assert mlgit("drift", cwd=folder).out.startswith("No drift.")
    edit(folder, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(folder)
    assert "mirrored 1 run and 1 model version to" in applied(mlgit, folder)
    second = max(registry.versions(name), key=lambda item: int(item["version"]))
    alias = registry.get("/registered-models/alias", name=name, alias="current")["model_version"]
    assert (alias["version"], pairs(second["tags"])["mlgit.version"]) == (second["version"], "2")


def test_what_is_missing_or_other_in_the_registry_is_drift_and_mirrored_again(folder, mlgit, registry):
    folder, name, lineage = folder
    applied(mlgit, folder)
    (run,) = registry.runs(lineage)
    run_id = run["info"]["run_id"]
    registry.post("/runs/log-metric", run_id=run_id, key="accuracy", value=0.9, timestamp=9_999_999_999_999, step=9)
    registry.get("/registered-models/get", name=name)
    requests.delete(
        f"{registry.url}/api/2.0/mlflow/model-versions/delete", json={"name": name, "version": "1"}, timeout=60
    ).raise_for_status()
    text = mlgit("drift", cwd=folder).out
    assert f"its metric accuracy in {registry.url} is 0.9, and it was recorded as 0.75" in text
    assert f"model/{name}@1: it is not in the MLflow registry {registry.url}\n    apply mirrors it again" in text
    registry.post("/runs/delete", run_id=run_id)
    assert "it is not in the MLflow registry" in mlgit("drift", cwd=folder).out
    assert "mirrored 1 run and 1 model version to" in applied(mlgit, folder)
    assert mlgit("drift", cwd=folder).out.startswith("No drift.")


def test_a_registry_that_does_not_answer_fails_no_apply_and_is_tried_again(folder, mlgit, registry):
    folder, _, lineage = folder
    edit(folder, "mlgit.yml", registry.url, "http://127.0.0.1:9")
    commit(folder)
    text = applied(mlgit, folder)
    assert "not mirrored: the MLflow server http://127.0.0.1:9 cannot be used: it does not answer" in text
    assert "runs and versions there were not compared" in mlgit("drift", cwd=folder).out
    edit(folder, "mlgit.yml", "http://127.0.0.1:9", registry.url)
    commit(folder)
    assert "mirrored 1 run and 1 model version to" in applied(mlgit, folder)
    assert len(registry.runs(lineage)) == 1


def test_a_secret_of_the_registry_is_read_and_shown_nowhere(folder, mlgit, registry, monkeypatch):
    folder, _, _ = folder
    with (folder / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("secrets: {mlflow: {from: env:MLFLOW_PW, for: [tracking], fields: [/token]}}\n")
    commit(folder)
    assert "not mirrored: the secret mlflow cannot be read from env:MLFLOW_PW" in applied(mlgit, folder)
    monkeypatch.setenv("MLFLOW_PW", "s3cr3t-of-the-registry")
    text = applied(mlgit, folder)
    assert "mirrored 1 run" in text
    assert "s3cr3t" not in text


def test_a_server_that_is_not_mlflow_is_said_to_be_none(folder, mlgit, registry):
    folder, _, _ = folder
    edit(folder, "mlgit.yml", f"url: {registry.url}", f"url: {registry.url}/elsewhere")
    commit(folder)
    text = applied(mlgit, folder)
    assert f"not mirrored: {registry.url}/elsewhere is no MLflow server: it answered " in text
    assert "without JSON" in text
