"""The variables that scripts written for Azure ML read."""

from __future__ import annotations

import json
import subprocess
from typing import Any

PRINT_VARIABLES = "import json, os; print(json.dumps(dict(os.environ)))"


def variables_of(bench: Any) -> dict[str, str]:
    bench.script(PRINT_VARIABLES)
    assert bench.run()["status"] == "completed"
    variables: dict[str, str] = json.loads(bench.log())
    return variables


def test_the_run_its_root_and_its_experiment_are_variables(bench: Any) -> None:
    bench.spec |= {"experiment": "irises", "workspace": "small"}
    expected = {
        "AZUREML_RUN_ID": "train-1a2b3c4d",
        "AZUREML_ROOT_RUN_ID": "train-1a2b3c4d",
        "AZUREML_EXPERIMENT_NAME": "irises",
        "AZUREML_ARM_PROJECT_NAME": "irises",
        "AZUREML_ARM_WORKSPACE_NAME": "small",
        "MLFLOW_RUN_ID": "train-1a2b3c4d",
        "MLFLOW_EXPERIMENT_NAME": "irises",
        "MLFLOW_EXPERIMENT_ID": "0",
    }
    variables = variables_of(bench)
    assert expected.items() <= variables.items()
    assert variables["MLFLOW_TRACKING_URI"].startswith("http://127.0.0.1:")


def test_the_root_of_a_step_is_the_run_that_it_is_a_step_of(bench: Any) -> None:
    bench.spec["root_run"] = "pipeline-1a2b3c4d"
    variables = variables_of(bench)
    assert variables["AZUREML_ROOT_RUN_ID"] == "pipeline-1a2b3c4d"
    assert variables["AZUREML_RUN_ID"] == "train-1a2b3c4d"


def test_what_the_job_is_in_azure_is_not_made_up(bench: Any) -> None:
    variables = variables_of(bench)
    assert not {"AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_RUN_TOKEN"} & variables.keys()


def test_inputs_and_outputs_are_variables_with_the_values_that_the_command_gets(bench: Any) -> None:
    bench.script(
        "import os, sys\n"
        "names = ['INPUT_Table', 'INPUT_data', 'INPUT_lr', 'INPUT_far', 'OUTPUT_model', 'OUTPUT_score_file']\n"
        "assert [os.environ['AZURE_ML_' + name] for name in names] == sys.argv[1:], (os.environ, sys.argv)\n"
        "for name in names:\n"
        "    reference = os.environ.get('AZUREML_DATAREFERENCE_' + name.partition('_')[2])\n"
        "    print(name, reference == os.environ['AZURE_ML_' + name])\n"
    )
    bench.spec["inputs"] = {
        "Table": bench.files("uri_file", "ro_mount", bench.row("a b.csv", "1")),
        "data": bench.files("uri_folder", "download", bench.row("x/y.csv", "1")),
        "lr": {"kind": "literal", "value": 0.1},
        "far": {"kind": "uri", "value": "https://example.org/table.csv"},
    }
    bench.spec["outputs"] = {"model": {"type": "uri_folder"}, "score_file": {"type": "uri_file"}}
    names = [
        *(f"inputs.{name}" for name in bench.spec["inputs"]),
        *(f"outputs.{name}" for name in bench.spec["outputs"]),
    ]
    bench.spec["command"] += "".join(f" ${{{{{name}}}}}" for name in names)
    assert bench.run()["status"] == "completed", bench.log()
    is_data = {"INPUT_Table": True, "INPUT_data": True, "INPUT_lr": False, "INPUT_far": True}
    is_data |= {"OUTPUT_model": True, "OUTPUT_score_file": True}
    assert bench.log() == "".join(f"{name} {value}\n" for name, value in is_data.items())


def test_git_finds_no_repository_around_the_folder_of_a_run(bench: Any) -> None:
    subprocess.run(["git", "init", "--quiet", bench.root], check=True)
    command = "git rev-parse --show-toplevel 2>&1; git init --quiet . && git rev-parse --show-toplevel"
    assert bench.run(command=command)["status"] == "completed"
    first, second = bench.log().splitlines()
    assert first.startswith("fatal: not a git repository")
    assert second == str(bench.folder / "code")


def test_a_job_cannot_set_what_its_run_is_called(bench: Any) -> None:
    bench.spec["variables"] = {"AZUREML_ROOT_RUN_ID": "other", "MLFLOW_RUN_ID": "other", "AZUREML_OWN": "kept"}
    variables = variables_of(bench)
    assert (variables["AZUREML_ROOT_RUN_ID"], variables["MLFLOW_RUN_ID"]) == ("train-1a2b3c4d",) * 2
    assert variables["AZUREML_OWN"] == "kept"
