"""What no provider supports is said before anything starts: by validate, plan, init --here, apply and job rerun."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, SMALL, commit, edit, write

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
BIG = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: big
    command: python sum.py
    code: ../src
    environment: azureml:plain@latest
    compute: local
    resources:
      instance_count: 4
      shm_size: 8g
    limits:
      timeout: ${{inputs.seconds}}
    inputs:
      seconds: 3600
    outputs:
      model:
        type: uri_folder
        path: azureml://datastores/blob/paths/model
    """
FROM_BIG = SCHEMA.format("model") + "name: big\ntype: custom_model\npath: azureml://jobs/big/outputs/model\n"
DOCKER = SCHEMA.format("environment") + "name: docker\nbuild:\n  path: docker\n"
IN_DOCKER = SMALL["jobs/sum.yml"].replace("name: sum", "name: in-docker").replace("plain@", "docker@")
AUTOML = SCHEMA.format("autoMLJob") + (
    "name: forest\ntype: automl\ntask: regression\nprimary_metric: r2_score\ntarget_column_name: y\n"
    "training_data: {type: mltable, path: azureml:numbers@latest}\ncompute: local\n"
)
CONNECTION = SCHEMA.format("workspaceConnection") + "name: archive\ntype: git\ntarget: https://example.org/x.git\n"
UNSUPPORTED = {
    "jobs/big.yml": BIG,
    "models/big.yml": FROM_BIG,
    "environments/docker.yml": DOCKER,
    "environments/docker/Dockerfile": "FROM python\n",
    "jobs/in-docker.yml": IN_DOCKER,
    "jobs/forest.yml": AUTOML,
    "connections/archive.yml": CONNECTION,
}
MANUAL = "assets: {include: [{glob: '**/*.yml', run: manual}]}\n"


@pytest.fixture
def unsupported(small):
    """Return a workspace with a job, an environment and an automl job that no provider supports."""
    commit(small, "unsupported", UNSUPPORTED)
    return small


@pytest.fixture
def on_request(unsupported):
    """Return the workspace with jobs that run on request only."""
    commit(unsupported, "manual", {"mlgit.yml": SMALL["mlgit.yml"].rstrip() + f"\n        {MANUAL}"})
    return unsupported


def test_a_plan_refuses_what_no_provider_supports_at_its_line_and_plans_the_rest(unsupported, mlgit, golden):
    ended = mlgit("plan", cwd=unsupported)
    assert ended.code == 1
    golden("cli/support/plan.txt", ended.out)
    golden("cli/support/plan-diagnostics.txt", ended.err)
    again = mlgit("plan", "--detailed-exitcode", cwd=unsupported)  # from the cache
    assert again == ended


def test_validate_says_the_same_in_the_same_words(unsupported, mlgit, golden):
    planned = mlgit("plan", cwd=unsupported).err
    ended = mlgit("validate", cwd=unsupported)
    assert ended.code == 1
    assert [line for line in planned.splitlines() if " error: " in line] == [
        line for line in ended.out.splitlines() if " error: " in line
    ]
    golden("cli/support/validate.txt", ended.out)
    named = mlgit("validate", "jobs/big.yml", cwd=unsupported)
    assert (named.code, "jobs/big.yml:8:19: error: job/big: backend local does not support" in named.out) == (1, True)


def test_the_json_of_a_plan_has_refusals_with_their_positions(unsupported, mlgit):
    events = [json.loads(line) for line in mlgit("plan", "--format", "json", cwd=unsupported).out.splitlines()]
    (body,) = (event["body"] for event in events if event["type"] == "plan-made")
    pending = {entry["address"]: entry for entry in body["pending"]}
    assert body["summary"]["refused"] == 2
    assert body["summary"]["cannot_run"] == 1
    assert pending["job/forest"]["recorded_only"] == "automl"
    refusals = pending["job/big"]["refusals"]
    assert [(item["code"], item["path"], item["line"], item["severity"]) for item in refusals] == [
        ("not-supported", "jobs/big.yml", 8, "error"),
        ("not-supported", "jobs/big.yml", 11, "error"),
        ("output-unreachable", "jobs/big.yml", 17, "error"),
    ]


def test_the_plan_in_a_pull_request_lists_what_is_refused_and_what_cannot_run(on_request, mlgit):
    printed = mlgit("plan", "--format", "markdown", cwd=on_request).out
    assert "#### Refused" in printed
    assert "- environment/docker: " in printed
    assert "2 jobs cannot run here: 1 automl job, 1 with resources.instance" in printed.replace("\\", "")


def test_a_job_that_cannot_run_is_never_run_by_hand(on_request, mlgit, golden):
    ended = mlgit("plan", cwd=on_request)
    golden("cli/support/plan-on-request.txt", ended.out)
    assert "1 job is run by hand: `mlgit job rerun sum`" in ended.out
    for job in ("big", "forest", "in-docker"):
        assert f"mlgit job rerun {job}" not in ended.out


def test_what_a_job_on_request_does_not_support_is_a_note_of_validate(on_request, mlgit):
    (on_request / "environments/docker.yml").unlink()
    (on_request / "jobs/in-docker.yml").unlink()
    ended = mlgit("validate", cwd=on_request)
    assert ended.code == 0, ended.out
    assert "jobs/big.yml:8:19: note: job/big: backend local does not support resources.instance_count: 4" in ended.out


@pytest.mark.slow
def test_apply_does_all_but_what_is_refused_and_fails(unsupported, mlgit, golden):
    ended = mlgit(*APPLY, cwd=unsupported)
    assert ended.code == 1
    assert "model/total: version 1" in ended.out
    status = mlgit("status", cwd=unsupported)
    golden("cli/support/status.txt", status.out)
    assert mlgit(*APPLY, cwd=unsupported).code == 1
    live = json.loads(mlgit("list", "--format", "json", cwd=unsupported).out)
    reasons = {entry["address"]: entry["recorded_only"] for entry in live if "recorded_only" in entry}
    assert reasons == {
        "connection/archive": "no provider for this kind",
        "job/forest": "mlgit cannot run automl jobs",
    }
    listed = {line.split()[0]: line for line in mlgit("list", cwd=unsupported).out.splitlines()}
    assert "(recorded only)" in listed["job/forest"]
    assert "(recorded only)" in listed["connection/archive"]
    assert "recorded_only: mlgit cannot run automl jobs" in mlgit("show", "job/forest", cwd=unsupported).out
    states = {
        entry["address"]: entry["state"]
        for entry in json.loads(mlgit("status", "--format", "json", cwd=unsupported).out)
    }
    assert states["job/forest"] == states["connection/archive"] == "recorded only"
    rerun = mlgit("job", "rerun", "forest", "--auto-approve", cwd=unsupported)  # it is live now
    assert (rerun.code, rerun.out) == (1, "")


@pytest.mark.parametrize("job", ["big", "in-docker", "forest", "jobs/forest.yml"])
@pytest.mark.parametrize("manual", [False, True])
def test_a_rerun_of_what_cannot_run_is_an_error_with_the_reason(unsupported, mlgit, golden, job, manual):
    if manual:
        commit(unsupported, "manual", {"mlgit.yml": SMALL["mlgit.yml"].rstrip() + f"\n        {MANUAL}"})
    ended = mlgit("job", "rerun", job, "--auto-approve", "--wait", cwd=unsupported)
    assert ended.code == 1
    assert "Applied" not in ended.out
    golden(f"cli/support/rerun-{job.replace('/', '-')}.txt", ended.err)
    assert "no-such" not in mlgit("list", "job", cwd=unsupported).out
    assert mlgit("job", "list", "--format", "json", cwd=unsupported).out.strip() == "[]"


def test_an_environment_that_is_refused_holds_back_a_selection(unsupported, mlgit):
    ended = mlgit("plan", "--select", "job/in-docker", cwd=unsupported)
    assert ended.code == 1
    assert "environment/docker: the venv builder cannot build a Docker context" in ended.out
    assert "job/in-docker: held back: environment/docker is refused" in ended.out
    other = mlgit("plan", "--select", "job/sum", cwd=unsupported)
    assert (other.code, other.err) == (0, "")


def test_init_here_counts_what_cannot_run(empty, mlgit):
    files = {name: text for name, text in SMALL.items() if name not in {"mlgit.yml", ".gitignore"}}
    commit(empty, "start", {**files, **UNSUPPORTED})
    out = " ".join(mlgit("init", "--here", cwd=empty).out.split())
    counts = "1 automl job, 1 with resources.instance_count, 1 with environments that cannot be built"
    assert f"1 of 4 jobs can run here; 3 cannot: {counts}." in out
    assert "1 of 2 environments cannot be built here." in out


def test_a_change_of_an_unsupported_field_of_a_completed_job_is_a_note_at_its_line(applied, mlgit):
    edit(applied, "jobs/sum.yml", "compute: local", "compute: local\nresources:\n  instance_count: 2")
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 0
    assert "jobs/sum.yml:8:19: note: job/sum: backend local does not support resources.instance_count: 2" in ended.err


def test_a_plug_in_that_cannot_be_used_stops_only_what_needs_it(small, tmp_path, monkeypatch, mlgit):
    plugin = tmp_path / "plugin"
    write(
        plugin,
        {
            "broken_backend.py": "import no_such_module_at_all\n",
            "broken-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: broken\nVersion: 1\n",
            "broken-1.dist-info/entry_points.txt": "[mlgit.backends]\nbroken = broken_backend:BACKEND\n",
        },
    )
    monkeypatch.syspath_prepend(plugin)
    edit(small, "mlgit.yml", "{local: {type: local}}", "{local: {type: local}, far: {type: broken}}")
    edit(small, "mlgit.yml", '{"*": local}', '{"*": local, gpu: far}')
    far = SMALL["jobs/sum.yml"].replace("name: sum", "name: far").replace("compute: local", "compute: azureml:gpu")
    write(small, {"jobs/far.yml": far})
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert "jobs/far.yml:6:10: error: job/far: the backend 'broken' cannot be imported" in ended.err
    assert "first run of job/sum" in ended.out
