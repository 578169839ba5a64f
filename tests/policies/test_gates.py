"""A metric gate is pending while its run goes on, and asked again before the version is registered."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, write

LOGGING = """
    import json, os, pathlib, sys, urllib.request
    numbers, factor, out = sys.argv[1:]
    metric = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "auc", "value": float(factor), "timestamp": 1}
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric"
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(metric).encode(), headers))
    (pathlib.Path(out) / "model.txt").write_text(factor)
    """
EXPRESSION = """
    policies:
      - name: no-worse
        check: live == null || candidate.metrics.auc >= live.metrics.auc - 0.005
        message: the model is worse than the live one
    """
BUILT_IN = """
    policies:
      - name: no-worse
        uses: metric-gate
        with: {metric: auc, tolerance: 0.005}
    """


def live_version(mlgit, folder, address):
    items = json.loads(mlgit("list", "--format", "json", cwd=folder).out)
    return next((item["version"] for item in items if item["address"] == address), None)


def commit_factor(folder, old, new):
    edit(folder, "jobs/sum.yml", f"factor: {old}", f"factor: {new}")
    commit(folder, f"factor {new}")


@pytest.mark.slow
@pytest.mark.parametrize("policies", [EXPRESSION, BUILT_IN], ids=["expression", "built in"])
def test_a_model_that_fails_a_gate_is_not_registered_and_every_later_plan_says_so(small, mlgit, policies):
    edit(small, "jobs/sum.yml", "factor: 2", "factor: 0.9")
    commit(small, "start", {"src/sum.py": LOGGING, "policies/gates.yml": policies})
    plan = mlgit("plan", cwd=small)
    assert (plan.code, plan.err.count("policy-pending")) == (0, 1)
    assert mlgit(*APPLY, cwd=small).code == 0  # nothing is live yet, so nothing can be worse
    assert live_version(mlgit, small, "model/total") == "1"

    commit_factor(small, "0.9", "0.8")
    applied = mlgit(*APPLY, cwd=small)
    assert applied.code == 1
    assert "model/total: policy no-worse" in applied.out
    assert "0.8" in applied.out
    assert "0.9" in applied.out
    assert live_version(mlgit, small, "model/total") == "1"

    again = mlgit("plan", cwd=small)
    assert again.code == 1
    assert "models/total.yml:2:7: error: policy no-worse: model/total" in again.err
    assert "job/sum" not in again.out  # the job is not run again
    unchanged = mlgit(*APPLY, cwd=small)
    assert (unchanged.code, live_version(mlgit, small, "model/total")) == (1, "1")

    commit_factor(small, "0.8", "0.897")
    assert mlgit(*APPLY, cwd=small).code == 0
    assert live_version(mlgit, small, "model/total") == "2"


@pytest.mark.slow
def test_what_needs_a_refused_model_waits_for_it_and_all_else_is_done(small, mlgit):
    edit(small, "jobs/sum.yml", "factor: 2", "factor: 0.1")
    commit(
        small,
        "start",
        {
            "src/sum.py": LOGGING,
            "policies/gates.yml": """
                policies:
                  - {name: good, uses: metric-gate, with: {metric: auc, bound: 0.5}}
                """,
            "jobs/use.yml": """
                $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
                name: use
                command: ls ${{inputs.model}}
                environment: azureml:plain@latest
                inputs: {model: {type: custom_model, path: azureml:total@latest}}
                """,
        },
    )
    applied = mlgit(*APPLY, cwd=small)
    assert applied.code == 1
    assert "auc of the candidate is 0.1; it must be at least 0.5" in applied.out
    assert live_version(mlgit, small, "data/numbers") == "1"
    plan = mlgit("plan", cwd=small)
    assert "job/use: waits for model/total" in plan.out


@pytest.mark.slow
def test_a_metric_that_was_not_logged_is_a_failure_not_a_pass(small, mlgit):
    write(small, {"policies/gates.yml": BUILT_IN})
    commit(small)
    applied = mlgit(*APPLY, cwd=small)
    assert applied.code == 1
    assert "has not logged the metric auc" in applied.out
    assert live_version(mlgit, small, "model/total") is None


@pytest.mark.slow
def test_a_model_from_a_step_of_a_pipeline_is_judged_by_the_metrics_of_the_step(small, mlgit):
    pipeline = """
        $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
        type: pipeline
        name: pipe
        settings: {default_compute: azureml:local}
        jobs:
          train:
            type: command
            command: python sum.py x 0.9 ${{outputs.model}}
            code: ../src
            environment: azureml:plain@latest
            outputs: {model: {type: custom_model}}
        """
    model = """
        $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
        name: total
        type: custom_model
        path: azureml://jobs/pipe/outputs/train.model
        """
    policy = """
        policies:
          - name: gate
            check: candidate.metrics.auc >= BOUND && candidate.steps.train.auc == candidate.metrics.auc
            message: the model is not good enough
          - {name: same, uses: metric-gate, with: {metric: auc, step: train, bound: BOUND}}
        """
    files = {"src/sum.py": LOGGING, "jobs/pipe.yml": pipeline, "models/total.yml": model}
    commit(small, "start", {**files, "policies/gates.yml": policy.replace("BOUND", "0.95")})
    applied = mlgit(*APPLY, "--exclude", "job/sum", cwd=small)
    assert applied.code == 1
    assert "model/total: policy gate: the model is not good enough (candidate.metrics.auc is 0.9" in applied.out
    assert "policy same: auc of the candidate is 0.9; it must be at least 0.95" in applied.out
    commit(small, "lower", {"policies/gates.yml": policy.replace("BOUND", "0.85")})
    assert mlgit(*APPLY, "--exclude", "job/sum", cwd=small).code == 0
    assert live_version(mlgit, small, "model/total") == "1"
