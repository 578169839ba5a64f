"""Inputs and outputs of a command job: every type, every mode and every source, as the command finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import commit

pytestmark = pytest.mark.slow

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
MAKE = (
    SCHEMA.format("commandJob")
    + """
name: make
command: |
  set -e
  for folder in ${{outputs.folder}} ${{outputs.table}} ${{outputs.custom}} ${{outputs.mlflow}} ${{outputs.triton}} \\
    ${{outputs.untyped}}; do test -d "$folder"; echo made > "$folder/made.txt"; done
  test ! -e ${{outputs.file}}
  echo one > ${{outputs.file}}
  mkdir ${{outputs.mlflow}}/inner && echo deep > ${{outputs.mlflow}}/inner/deep.txt
  echo kept > outputs/kept.txt
  echo noted > logs/noted.txt
environment: azureml:plain@latest
outputs:
  file: {type: uri_file, mode: upload}
  folder: {type: uri_folder, path: "azureml://datastores/${{default_datastore}}/paths/${{name}}/${{output_name}}"}
  table: {type: mltable}
  custom: {type: custom_model}
  mlflow: {type: mlflow_model}
  triton: {type: triton_model}
  untyped:
"""
)
USE = (
    SCHEMA.format("commandJob")
    + """
name: use
code: ../src-use
command: >-
  python use.py whole=${{inputs.whole}} real=${{inputs.real}} negative=${{inputs.negative}} yes=${{inputs.yes}}
  "text=${{inputs.text}}" "blank=${{inputs.blank}}" value=${{inputs.value}} $[[given=${{inputs.whole}}]]
  file=${{inputs.file}} untyped_file=${{inputs.untyped_file}} folder=${{inputs.folder}} table=${{inputs.table}}
  custom=${{inputs.custom}} mlflow=${{inputs.mlflow}} triton=${{inputs.triton}} data=${{inputs.data}}
  model=${{inputs.model}} from_file=${{inputs.from_file}} from_model=${{inputs.from_model}}
  inner=${{inputs.inner}} kept=${{inputs.kept}} download=${{inputs.download}} direct=${{inputs.direct}}
environment: azureml:plain@latest
inputs:
  whole: 42
  real: 1.5e-3
  negative: -3
  "yes": true
  text: hello world
  blank: ""
  value: {value: 7}
  file: {type: uri_file, path: ../files/one.csv}
  untyped_file: {path: ../files/one.csv}
  folder: {type: uri_folder, path: ../files}
  table: {type: mltable, path: ../table}
  custom: {type: custom_model, path: ../files/one.csv}
  mlflow: {type: MLflow_Model, path: ../table}
  triton: {type: triton_model, path: ../table}
  data: {type: uri_file, path: azureml:numbers@latest}
  model: {type: custom_model, path: azureml:total:1}
  from_file: {type: uri_file, path: azureml://jobs/make/outputs/file}
  from_model: {type: mlflow_model, path: azureml://jobs/make/outputs/mlflow}
  inner: {type: uri_folder, path: azureml://jobs/make/outputs/mlflow/paths/inner/}
  kept: {type: uri_folder, path: azureml://jobs/make/outputs/artifacts}
  download: {type: uri_file, path: ../files/one.csv, mode: download}
  direct: {type: uri_folder, path: "wasbs://data@example.org/x y", mode: direct}
"""
)
USE_CODE = """
import json, os, pathlib, sys

def describe(text):
    path = pathlib.Path(text)
    if not path.is_absolute() or not path.exists():
        return text
    if path.is_dir():
        return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    return [path.read_text().strip(), os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o200)]

print(json.dumps({name: describe(text) for name, _, text in (word.partition("=") for word in sys.argv[1:])}))
"""
FILES = {
    "jobs/make.yml": MAKE,
    "jobs/use.yml": USE,
    "src-use/use.py": USE_CODE,
    "files/one.csv": "one\n",
    "files/two.csv": "two\n",
    "table/MLTable": "paths: [{file: ./t.csv}]\n",
    "table/t.csv": "t\n",
}


def test_inputs_of_every_type_mode_and_source_reach_the_command(applied: Path, mlgit):
    commit(applied, "inputs and outputs", FILES)
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    one, read_only = "one", False
    assert json.loads(mlgit("job", "logs", "use", cwd=applied).out.splitlines()[-1]) == {
        "whole": "42",
        "real": "0.0015",
        "negative": "-3",
        "yes": "True",
        "text": "hello world",
        "blank": "",
        "value": "7",
        "given": "42",
        "file": [one, read_only],
        "untyped_file": [one, read_only],
        "folder": ["one.csv", "two.csv"],
        "table": ["MLTable", "t.csv"],
        "custom": [one, read_only],
        "mlflow": ["MLTable", "t.csv"],
        "triton": ["MLTable", "t.csv"],
        "data": ["n\n1\n2\n3", read_only],
        "model": ["total.txt"],
        "from_file": [one, read_only],
        "from_model": ["inner/deep.txt", "made.txt"],
        "inner": ["deep.txt"],
        "kept": ["logs/noted.txt", "outputs/kept.txt"],
        "download": [one, True],
        "direct": "wasbs://data@example.org/x y",
    }
    runs = {run["job"]: run for run in json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out)}
    outputs = runs["job/make"]["outputs"]
    assert {name: output["files"] for name, output in outputs.items()} == {
        **dict.fromkeys(("file", "folder", "table", "custom", "triton", "untyped"), 1),
        "mlflow": 2,
        "artifacts": 2,
    }
    path = f"azureml://datastores/workspaceblobstore/paths/{runs['job/make']['run']}/folder"
    assert (outputs["folder"]["path"], "path" in outputs["file"]) == (path, False)
    assert path in mlgit("job", "show", "make", cwd=applied).out


@pytest.mark.parametrize(
    ("part", "expected"),
    [("$[[--rate ${{inputs.rate}}]] end", "--rate 0.5 end"), ("$[[--rate ${{inputs.rate}}", "--rate")],
)
def test_an_optional_part_is_kept_if_its_inputs_have_a_value(applied: Path, mlgit, part, expected):
    command = f"command: echo '{part}'\nenvironment: azureml:plain@latest\ninputs: {{rate: 0.5}}\n"
    commit(applied, "optional", {"jobs/optional.yml": SCHEMA.format("commandJob") + command})
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert expected in mlgit("job", "logs", "jobs/optional", cwd=applied).out


def test_jobs_written_for_remote_data_run_with_a_mirror(applied: Path, mlgit):
    schema, url = SCHEMA.format("commandJob"), "https://example.org/datasets"
    literal = f"inputs:\n  type: uri_file\n  iris_csv: {url}/iris.csv\n  page: {url}/page\n  api: https://api.example.org/v1\n"
    folder = "inputs:\n  data: {type: uri_folder, path: 'wasbs://datasets@example.org/'}\n"
    environment = "environment: azureml:plain@latest\n"
    files = {
        "mirror/iris.csv": "5.1,setosa\n",
        "mlgit.yml": (applied / "mlgit.yml").read_text("utf-8")
        + f"mirrors: {{'{url}/': mirror, 'wasbs://datasets@example.org': mirror, "
        + "'https://api.example.org': 'http://localhost:1/api'}\n",
        "jobs/literal.yml": f"{schema}command: >-\n  cat ${{{{inputs.iris_csv}}}}; echo ${{{{inputs.type}}}} "
        f"${{{{inputs.page}}}} ${{{{inputs.api}}}}\n{literal}{environment}",
        "jobs/folder.yml": f"{schema}command: cd ${{{{inputs.data}}}} && ls && cat iris.csv\n{folder}{environment}",
    }
    commit(applied, "mirrored", files)
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    printed = mlgit("job", "logs", "jobs/literal", cwd=applied).out
    assert printed == f"5.1,setosa\nuri_file {url}/page http://localhost:1/api/v1\n"
    assert mlgit("job", "logs", "jobs/folder", cwd=applied).out == "iris.csv\n5.1,setosa\n"
