"""Default artifacts: ./outputs, ./logs and logged files are kept, listed, and can be referenced as on Azure ML."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit

pytestmark = pytest.mark.slow

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
WRITING = """
import json, os, pathlib, sys, urllib.request
assert pathlib.Path("outputs").is_dir() and pathlib.Path("logs").is_dir()
pathlib.Path("outputs/m").mkdir()
pathlib.Path("outputs/m/m.txt").write_text("weights")
pathlib.Path("outputs/run.sh").write_text("#!/bin/sh")
pathlib.Path("outputs/run.sh").chmod(0o755)
pathlib.Path("outputs/latest").symlink_to("m/m.txt")
pathlib.Path("outputs/out").symlink_to("/etc/passwd")
pathlib.Path("outputs/nowhere").symlink_to("gone")
os.mkfifo("outputs/pipe")
open(b"outputs/\\xff", "w").close()
pathlib.Path("logs/train.log").write_text("loss 1")
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts/artifacts/run/model/MLmodel"
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
urllib.request.urlopen(urllib.request.Request(url, b"flavors", headers, method="PUT")).close()
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""
KEPT = ["logs/train.log", "model/MLmodel", "outputs/latest", "outputs/m/m.txt", "outputs/run.sh"]


def model(name, path):
    return (
        SCHEMA.format("model") + f"name: {name}\ntype: custom_model\npath: azureml://jobs/sum/outputs/artifacts{path}\n"
    )


@pytest.fixture
def folder(workspace):
    (workspace.folder / "src/sum.py").write_text(WRITING)
    commit(workspace.folder)
    return workspace.folder


def test_outputs_logs_and_logged_files_are_kept_and_listed(folder, mlgit):
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    shown = json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=folder).out)
    assert shown["artifacts"] == KEPT
    assert shown["outputs"]["artifacts"]["files"] == len(KEPT)
    text = mlgit("job", "show", "sum", cwd=folder).out
    assert all(name in text for name in KEPT)


def test_a_run_that_failed_keeps_and_lists_them_too(folder, mlgit):
    edit(folder, "src/sum.py", 'pathlib.Path(sys.argv[3], "total.txt").write_text("6")', "sys.exit(3)")
    commit(folder)
    assert mlgit(*APPLY, cwd=folder).code == 1
    assert json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=folder).out)["artifacts"] == KEPT


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/paths/outputs/m/", {"m.txt": "weights"}),
        ("/paths/outputs/m/m.txt", {"m.txt": "weights"}),
        ("/paths/model/", {"MLmodel": "flavors"}),
        ("/paths/logs", {"train.log": "loss 1"}),
    ],
)
def test_default_artifacts_can_be_referenced_before_and_after_the_run(path, content, folder, mlgit):
    reading = SCHEMA.format("commandJob") + (
        "name: next\ncommand: cat ${{inputs.model}}" + ("" if path.endswith(".txt") else "/*") + "\n"
        "environment: azureml:plain@latest\ncompute: local\n"
        "inputs:\n  model: {type: custom_model, path: azureml:early@latest}\n"
    )
    commit(folder, "early", {"models/early.yml": model("early", path), "jobs/next.yml": reading})
    assert mlgit("validate", ".", cwd=folder).code == 0
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out + result.err
    assert mlgit("job", "logs", "next", cwd=folder).out == "".join(content.values())
    commit(folder, "late", {"models/late.yml": model("late", path)})
    assert mlgit("plan", cwd=folder).out.startswith("Plan: 1 change.")
    assert mlgit(*APPLY, cwd=folder).code == 0
    assert mlgit("plan", cwd=folder).out.startswith("No changes.")


def test_a_path_that_the_artifacts_do_not_have_is_an_error_that_names_what_there_is(folder, mlgit):
    files = {"models/wrong.yml": model("wrong", "/paths/output/m"), "models/deep.yml": model("deep", "/paths/model/m")}
    commit(folder, "wrong", files)
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 1
    lines = [line.strip() for line in result.out.splitlines() if "[output-path-missing]" in line]
    assert [line.partition(": ")[0] for line in lines] == ["models/deep.yml:4:7", "models/wrong.yml:4:7"]
    assert "has no model/m; it has model/" in lines[0]
    assert "has no output/m; it has logs, model, outputs" in lines[1]


def test_a_run_without_artifacts_is_said_by_plan_with_what_to_do(applied, mlgit):
    commit(applied, "none", {"models/none.yml": model("none", "/paths/outputs")})
    result = mlgit("plan", cwd=applied)
    assert result.code == 1
    assert "has kept nothing of ./outputs and ./logs" in result.err
    assert "mlgit job rerun sum" in result.err


def test_a_declared_output_of_that_name_that_the_command_uses_is_what_the_name_means(folder, mlgit):
    edit(folder, "jobs/sum.yml", "outputs:\n  total:", "outputs:\n  artifacts: {type: uri_folder}\n  total:")
    edit(folder, "jobs/sum.yml", "${{outputs.total}}", "${{outputs.total}} && touch ${{outputs.artifacts}}/own")
    commit(folder, "declared", {"models/m.yml": model("m", "")})
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    assert json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=folder).out)["artifacts"] == ["own"]


def test_a_file_or_a_link_of_the_name_outputs_is_no_error(folder, mlgit):
    (folder / "src/logs").write_text("a file of the code")
    (folder / "src/sum.py").write_text(
        "import os, pathlib, sys\nos.rmdir('outputs'); os.symlink('/etc', 'outputs')\n"
        "pathlib.Path(sys.argv[3], 'total.txt').write_text(open('logs').read())\n"
    )
    commit(folder)
    assert mlgit(*APPLY, cwd=folder).code == 0
    assert "artifacts" not in json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=folder).out)["outputs"]
