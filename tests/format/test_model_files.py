"""What the files of a model say, and what is wrong with them, for each type."""

from __future__ import annotations

import json

import pytest
import yaml

from reconciler.format.model_files import ModelFiles, inspect_model
from reconciler.format.triton_config import read_config_fields

pytestmark = pytest.mark.fast

COLUMNS = [{"name": "sepal_length", "type": "double"}, {"name": "note", "type": "string", "required": False}]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]
PARAMS = [{"name": "k", "dtype": "long", "default": 3, "shape": None}, {"name": "t", "type": "double"}]
MLMODEL = {
    "flavors": {"sklearn": {"sklearn_version": "1.5"}, "python_function": {"loader_module": "mlflow.sklearn"}},
    "mlflow_version": "2.14.1",
    "utc_time_created": "2026-11-01 10:00:00.000000",
    "signature": {"inputs": json.dumps(COLUMNS), "outputs": json.dumps(TENSOR), "params": json.dumps(PARAMS)},
}
ONNX = (
    'name: \'dense\' # its folder\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\ninput [\n  {name: "x" dims: [3]}\n]'
)


def files_of(texts, *, is_file=False):
    return ModelFiles(tuple(sorted(texts)), is_file, lambda name: texts[name].encode())


def mlflow(**fields):
    text = yaml.safe_dump({**MLMODEL, **fields})
    return inspect_model("mlflow_model", files_of({"MLmodel": text, "model.pkl": "x"}))


def triton(texts):
    return inspect_model("triton_model", files_of(texts))


def lines(report):
    return [f"{problem.code}: {problem.message}" for problem in report.problems]


def test_an_mlflow_model_says_its_flavors_signature_time_and_version():
    report = mlflow()
    assert report.problems == ()
    assert report.facts == {
        "flavors": ["python_function", "sklearn"],
        "signature": {
            "inputs": [
                {"name": "sepal_length", "type": "double"},
                {"name": "note", "type": "string", "optional": True},
            ],
            "outputs": [{"type": "tensor(float64, [-1, 4])"}],
            "params": [{"name": "k", "type": "long", "default": 3}, {"name": "t", "type": "double"}],
        },
        "mlflow_version": "2.14.1",
        "utc_time_created": "2026-11-01 10:00:00.000000",
    }


def test_a_model_without_a_signature_is_fine():
    report = mlflow(signature=None)
    assert report.problems == ()
    assert "signature" not in report.facts


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"flavors": {}}, "has no flavors"),
        ({"flavors": ["sklearn"]}, "has no flavors"),
        ({"signature": "x"}, "it is no mapping"),
        ({"signature": {"inputs": "[{"}}, "inputs is not JSON"),
        ({"signature": {"inputs": "[" * 100_000}}, "inputs is not JSON"),
        ({"signature": {"outputs": '{"type": "double"}'}}, "outputs is no list of columns"),
        ({"signature": {"inputs": '[{"name": "a"}]'}}, "a column of inputs has no type"),
    ],
)
def test_an_mlmodel_that_cannot_be_used_is_a_problem(fields, message):
    (line,) = lines(mlflow(**fields))
    assert line.startswith("mlmodel-invalid: ")
    assert message in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "MLmodel:1:5: "),
        ("- x", "no mapping"),
        ("", "MLmodel"),
        ("a: &a [x]\n" + "\n".join(f"b{i}: [*a, *a, *a, *a]" for i in range(9000)), "MLmodel"),
    ],
)
def test_an_mlmodel_that_is_not_yaml_within_limits_is_a_problem(text, message):
    (line,) = lines(inspect_model("mlflow_model", files_of({"MLmodel": text})))
    assert line.startswith("mlmodel-invalid: ")
    assert message in line


@pytest.mark.parametrize(
    "default", ["NaN", "1e999", r'"\ud800"', "[" * 400 + "]" * 400, '{"a":' * 400 + "1" + "}" * 400]
)
def test_what_a_signature_says_is_json_in_utf_8_whatever_its_file_has(default):
    columns = f'[{{"name": "a", "type": "x", "default": {default}}}]'
    report = mlflow(signature={"params": columns})
    assert report.facts["signature"]["params"][0]["name"] == "a"
    assert len(json.dumps(report.facts, allow_nan=False, ensure_ascii=False).encode()) < 500


def test_a_folder_without_an_mlmodel_says_what_it_has_and_where_one_is():
    (problem,) = inspect_model("mlflow_model", files_of({"out/MLmodel": "", "readme.md": ""})).problems
    assert problem.code == "mlmodel-missing"
    assert problem.message.endswith("it has out, readme.md")
    assert problem.hint == "name the folder out below it, which has one"


@pytest.mark.parametrize("type_name", ["mlflow_model", "triton_model", "MLflow_Model"])
def test_a_file_is_no_model_of_a_type_with_a_layout(type_name):
    (problem,) = inspect_model(type_name, files_of({"model.pkl": ""}, is_file=True)).problems
    assert problem.code == "model-not-a-folder"
    assert problem.message == f"model.pkl is a file: a model of type {type_name} is a folder"


def test_a_custom_model_may_be_anything():
    for is_file in (True, False):
        assert inspect_model("custom_model", files_of({"a": ""}, is_file=is_file)) == ({}, ())
    assert inspect_model("", files_of({})) == ({}, ())


def test_a_triton_repository_says_the_platforms_and_versions_of_its_models():
    report = triton(
        {
            "dense/config.pbtxt": ONNX,
            "dense/1/model.onnx": "",
            "dense/10/model.onnx": "",
            "dense/2/model.onnx/part": "",
            "dense/03/ignored": "",
            "own/config.pbtxt": 'backend: "fil"',
            "own/1/xgboost.json": "",
            "derived/1/model.plan": "",
            "both/config.pbtxt": 'platform: "ensemble"',
            "both/1/.gitkeep": "",
        }
    )
    assert lines(report) == []
    assert report.facts == {
        "models": {
            "dense": {"platform": "onnxruntime_onnx", "versions": ["1", "2", "10"]},
            "own": {"backend": "fil", "versions": ["1"]},
            "derived": {"derived": "tensorrt_plan", "versions": ["1"]},
            "both": {"platform": "ensemble", "versions": ["1"]},
        }
    }


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, "triton-layout: the folder has no model"),
        ({"model.onnx": ""}, "triton-layout: the folder has no model"),
        ({"config.pbtxt": ONNX, "1/model.onnx": ""}, "triton-layout: the folder is one model"),
        ({"1/model.onnx": ""}, "triton-layout: the folder is one model"),
        ({"dense/config.pbtxt": ONNX, "dense/model.onnx": ""}, "triton-layout: the model dense has no version"),
        ({"dense/config.pbtxt": ONNX, "dense/01/model.onnx": ""}, "triton-layout: the model dense has no version"),
        (
            {"dense/config.pbtxt": ONNX, "dense/1/net.onnx": ""},
            "triton-layout: version 1 of the model dense has no model.onnx; it has net.onnx",
        ),
        (
            {"dense/config.pbtxt": 'backend: "fil"', "dense/1/.gitkeep": ""},
            "triton-layout: version 1 of the model dense has no file",
        ),
        (
            {"other/config.pbtxt": ONNX, "other/1/model.onnx": ""},
            "triton-config: other/config.pbtxt has the name dense",
        ),
        ({"net/1/weights.bin": ""}, "triton-config: the model net has no config.pbtxt"),
        ({"net/config.pbtxt": "max_batch_size: 8", "net/1/w.bin": ""}, "triton-config: net/config.pbtxt has neither"),
        (
            {"net/config.pbtxt": "input [ {", "net/1/w.bin": ""},
            "triton-config: net/config.pbtxt cannot be read: line 1",
        ),
        ({"net/config.pbtxt": "\x00", "net/1/w.bin": ""}, "triton-config: net/config.pbtxt cannot be read: line 1"),
    ],
)
def test_what_triton_would_refuse_is_a_problem(texts, expected):
    (line,) = lines(triton(texts))
    assert line.startswith(expected)


def test_the_file_that_is_the_model_can_have_another_name():
    config = 'backend: "python"\ndefault_model_filename: "serve.py"\n'
    assert lines(triton({"m/config.pbtxt": config, "m/1/serve.py": ""})) == []
    (line,) = lines(triton({"m/config.pbtxt": config, "m/1/model.py": ""}))
    assert "has no serve.py; it has model.py" in line


def test_the_fields_at_the_top_of_a_config_are_read_and_all_below_is_skipped():
    text = """
        # name: "comment"
        name: "a\\"b" 'c'  ; platform : "p",
        input { name: "x" data_type: TYPE_FP32 dims: [ 1, -1 ] }
        version_policy: { latest { num_versions: 1 } }
        parameters < key: "name" >
        max_batch_size: 16 backend: "python"
        """
    fields = {"name": 'a"bc', "platform": "p", "max_batch_size": "16", "backend": "python"}
    assert read_config_fields(text) == fields


@pytest.mark.parametrize("text", ['name: "x', "a { ]", "}", "input [", "§"])
def test_a_config_of_another_form_says_the_line(text):
    with pytest.raises(ValueError, match=r"^line 2: "):
        read_config_fields("\n" + text)


@pytest.mark.slow
def test_a_long_config_is_read_in_linear_time():
    assert read_config_fields("{" * 50_000 + "}" * 50_000 + "# " * 50_000 + '\nname: "x"') == {"name": "x"}
