"""Models: checked when their files are known, stored wherever they come from, and brought out under their own name."""

from __future__ import annotations

import json
import shutil

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = pytest.mark.slow

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\n"
MLMODEL = """
flavors: {sklearn: {}, python_function: {loader_module: mlflow.sklearn}}
mlflow_version: 2.14.1
utc_time_created: '2026-11-01 10:00:00'
signature: {inputs: '[{"name": "x", "type": "double"}]', outputs: '[{"type": "long"}]'}
"""
FACTS = {
    "flavors": ["python_function", "sklearn"],
    "signature": {"inputs": [{"name": "x", "type": "double"}], "outputs": [{"type": "long"}]},
    "mlflow_version": "2.14.1",
    "utc_time_created": "2026-11-01 10:00:00",
}
WRITING = f"""
import pathlib, sys
for folder in ("outputs/best/model", sys.argv[3] + "/inner"):
    pathlib.Path(folder).mkdir(parents=True)
    pathlib.Path(folder, "MLmodel").write_text('''{MLMODEL}''')
    pathlib.Path(folder, "model.pkl").write_text("weights")
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""
READING = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: reading
    command: ls ${{inputs.model}} && cat ${{inputs.model}}/model.pkl > ${{outputs.read}}/read.txt
    environment: azureml:plain@latest
    compute: local
    inputs: {model: {type: mlflow_model, path: "azureml:remote@latest"}}
    outputs: {read: {type: uri_folder}}
    """


def model(path, type_name="mlflow_model", name="it"):
    return f"{SCHEMA}name: {name}\ntype: {type_name}\npath: {path}\n"


def put_model(folder, text=MLMODEL):
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(text, "utf-8")
    (folder / "model.pkl").write_text("weights", "utf-8")


def realised(mlgit, folder, name="it"):
    return json.loads(mlgit("show", f"model/{name}", "--format", "json", cwd=folder).out)["realised"]


def errors(result):
    assert result.code == 1, result.out
    return result.out + result.err


@pytest.fixture
def folder(workspace):
    return workspace.folder


def written(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_a_model_of_git_is_described_by_the_plan_and_by_show_and_keeps_the_name_of_its_folder(folder, mlgit, tmp_path):
    put_model(folder / "models/iris-model")
    commit(
        folder,
        files={"models/it.yml": model("./iris-model/"), "models/file.yml": model("total.yml", "custom_model", "file")},
    )
    assert mlgit("plan", "-o", str(tmp_path / "plan.json"), cwd=folder).code == 0
    actions = json.loads((tmp_path / "plan.json").read_text("utf-8"))["body"]["actions"]
    assert {item["address"]: item["model"] for item in actions if "model" in item} == {"model/it": FACTS}
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    assert realised(mlgit, folder)["model"] == FACTS
    assert realised(mlgit, folder)["name"] == "iris-model"
    for name in ("it", "file", "total"):
        assert mlgit("get", f"model/{name}", str(tmp_path / "out"), cwd=folder).code == 0
    assert written(tmp_path / "out") == [
        "iris-model/MLmodel",
        "iris-model/model.pkl",
        "total.yml",
        "total/total.txt",
    ]
    assert "No changes" in mlgit("plan", cwd=folder).out


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize(
    ("type_name", "files", "expected"),
    [
        ("mlflow_model", {"m/model.pkl": "x"}, "models/it.yml:4:7: error: m: the folder has no file MLmodel"),
        ("mlflow_model", {"m/MLmodel": "flavors: {}"}, "models/it.yml:4:7: error: m: its MLmodel has no flavors"),
        ("mlflow_model", {"m": "x"}, "models/it.yml:4:7: error: m: m is a file: a model of type mlflow_model"),
        ("triton_model", {"m/net/model.onnx": "x"}, "models/it.yml:4:7: error: m: the model net has no version"),
        (
            "triton_model",
            {"m/net/config.pbtxt": 'name: "other"', "m/net/1/model.onnx": "x"},
            "models/it.yml:4:7: error: m: net/config.pbtxt has the name other, and its folder is net",
        ),
    ],
)
def test_a_model_that_is_not_as_its_type_has_it_is_an_error_at_its_path(  # noqa: PLR0913, PLR0917 - cases
    folder, mlgit, command, type_name, files, expected
):
    below = {f"models/{name}": text for name, text in files.items()}
    commit(folder, files={"models/it.yml": model("m", type_name), **below})
    text = errors(mlgit(command, cwd=folder))
    assert expected.partition(": error: ")[2] in text
    assert expected.partition(": error")[0] in text


def test_a_model_on_disk_is_checked_by_validate_with_its_file(folder, mlgit):
    put_model(folder / "models/m", "- x")
    (folder / "models/it.yml").write_text(model("m"), "utf-8")
    assert "its MLmodel is no mapping" in errors(mlgit("validate", "models/it.yml", cwd=folder))
    (folder / "models/m/MLmodel").write_text(MLMODEL, "utf-8")
    assert mlgit("validate", "models/it.yml", cwd=folder).code == 0
    (folder / "models/m/MLmodel").unlink()
    assert "has no file MLmodel" in errors(mlgit("validate", "models/it.yml", cwd=folder))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("azureml://jobs/sum/outputs/total/paths/inner", "inner"),
        ("azureml://jobs/sum/outputs/artifacts/paths/outputs/best/model/", "model"),
        ("runs:/sum/outputs/best/model", "model"),
    ],
)
def test_a_model_of_a_job_is_known_after_it_and_checked_when_it_is_registered(folder, mlgit, path, name):
    (folder / "src/sum.py").write_text(WRITING, "utf-8")
    commit(folder, files={"models/it.yml": model(path)})
    assert "model/it: new version, known after job/sum" in mlgit("plan", cwd=folder).out
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    recorded = realised(mlgit, folder)
    assert (recorded["model"], recorded["name"]) == (FACTS, name)


def test_an_artifact_of_a_run_is_named_by_the_id_of_the_run(folder, mlgit):
    (folder / "src/sum.py").write_text(WRITING, "utf-8")
    commit(folder)
    assert mlgit(*APPLY, cwd=folder).code == 0
    run = json.loads(mlgit("show", "job/sum", "--format", "json", cwd=folder).out)["run"]
    commit(folder, files={"models/it.yml": model(f"runs:/{run}/outputs/best/model/model.pkl", "custom_model")})
    edit(folder, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(folder)
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    shown = json.loads(mlgit("show", "model/it", "--format", "json", cwd=folder).out)
    assert shown["lineage"]["run"] == run
    assert shown["realised"]["contents"]["/path"]["name"] == shown["realised"]["name"] == "model.pkl"


def test_an_output_that_is_no_mlflow_model_is_an_error_of_its_registration(folder, mlgit):
    commit(folder, files={"models/it.yml": model("azureml://jobs/sum/outputs/total")})
    text = errors(mlgit(*APPLY, cwd=folder))
    assert "models/it.yml:4:7" in text
    assert "the folder has no file MLmodel, which type: mlflow_model requires; it has total.txt" in text
    assert "model/total: version 1" in text
    assert mlgit("show", "model/it", cwd=folder).code == 1


def test_a_model_of_a_datastore_is_stored_when_it_is_registered_and_outlives_it(folder, mlgit, tmp_path):
    put_model(tmp_path / "share/a b/iris")
    with (folder / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("datastores: {share: {type: local, path: ../share}}\n")
    path = "azureml://datastores/share/paths/a b/iris/"
    commit(folder, files={"models/remote.yml": model(path, name="remote")})
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    recorded = realised(mlgit, folder, "remote")
    assert (recorded["model"], recorded["name"]) == (FACTS, "iris")
    assert recorded["locations"]["/path"]["uri"] == path
    shutil.rmtree(tmp_path / "share/a b")
    commit(folder, files={"jobs/reading.yml": READING})
    result = mlgit(*APPLY, cwd=folder)
    assert result.code == 0, result.out
    out = tmp_path / "out"
    assert mlgit("job", "download", "reading", str(out), cwd=folder).code == 0
    assert [path.read_text("utf-8") for path in out.rglob("read.txt")] == ["weights"]
    assert "model/remote" in mlgit("drift", cwd=folder).out


@pytest.mark.parametrize(
    "path",
    [
        "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.run1/model",
        "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.run1/model",
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceartifactstore/paths/ExperimentRun/d/m",
    ],
)
def test_the_run_history_of_an_azure_workspace_is_refused_with_what_to_write(folder, mlgit, path):
    commit(folder, files={"models/it.yml": model(path)})
    text = errors(mlgit("validate", cwd=folder))
    assert "models/it.yml:4:7" in text
    assert "[path-run-history]" in text
    assert "runs:/RUN/PATH" in text


def test_a_url_is_no_model_of_a_type_that_is_a_folder(folder, mlgit):
    commit(folder, files={"models/it.yml": model("https://example.com/model")})
    text = errors(mlgit("plan", cwd=folder))
    assert "https://example.com/model is one file: a model of type mlflow_model is a folder" in text
    assert git(folder, "status", "--porcelain") == ""
