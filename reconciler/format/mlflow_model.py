"""The file MLmodel of an MLflow model: its flavors, its signature, and when and with what it was saved.

The format is MLflow's, https://mlflow.org/docs/latest/ml/model/; the signature has its columns as JSON in a string.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from reconciler.abbreviation import join_some
from reconciler.diagnostics import has_errors
from reconciler.format.model_files import ModelFiles, ModelProblem, ModelReport
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

MLMODEL = "MLmodel"
_TEXT_FIELDS = ("mlflow_version", "utc_time_created")
_SIGNATURE_PARTS = ("inputs", "outputs", "params")
_MAX_COLUMNS = 1000  # of each part of a signature that is recorded and shown
_MAX_DEPTH = 12  # levels of the default of a parameter
_MLMODEL_MISSING = "mlmodel-missing"
_MLMODEL_INVALID = "mlmodel-invalid"
_SAVE_HINT = "save the model again with mlflow.FLAVOR.save_model or log_model"


def inspect(files: ModelFiles) -> ModelReport:
    """Return what the MLmodel of a folder says; it is a problem if there is none, or if it cannot be used."""
    if MLMODEL not in files.names:
        return ModelReport(problems=(_missing_file(files),))
    document, diagnostics = parse_yaml(MLMODEL, files.read(MLMODEL))
    if has_errors(diagnostics):
        first = next(item for item in diagnostics if has_errors([item]))
        return ModelReport(problems=(_invalid(f"its {first.span or MLMODEL}: {first.message}", _SAVE_HINT),))
    if not isinstance(document.data, dict):
        return ModelReport(problems=(_invalid(f"its {MLMODEL} is no mapping", _SAVE_HINT),))
    return _inspect_fields(document.data)


def _inspect_fields(fields: Mapping[str, Json]) -> ModelReport:
    facts: dict[str, Json] = {}
    problems = []
    flavors = fields.get("flavors")
    if isinstance(flavors, dict) and flavors:
        facts["flavors"] = sorted(map(str, flavors))
    else:
        problems.append(_invalid(f"its {MLMODEL} has no flavors, so nothing can load the model", _SAVE_HINT))
    try:
        if signature := _read_signature(fields.get("signature")):
            facts["signature"] = signature
    except (ValueError, RecursionError) as error:
        hint = "log the model again with a signature, such as mlflow.models.infer_signature returns"
        problems.append(_invalid(f"the signature in its {MLMODEL} cannot be read: {error}", hint))
    facts |= {name: str(fields[name]) for name in _TEXT_FIELDS if fields.get(name)}
    return ModelReport({name: _plain(value) for name, value in facts.items()}, tuple(problems))


def _plain(value: Json, depth: int = 0) -> Json:
    """Return a value as a record and a plan can have it: text in UTF-8, numbers that JSON has, nested a few levels."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case dict() | list() if depth >= _MAX_DEPTH:
            return "..."
        case dict():
            return {str(_plain(str(key))): _plain(item, depth + 1) for key, item in value.items()}
        case list():
            return [_plain(item, depth + 1) for item in value]
    return value


def _invalid(message: str, hint: str) -> ModelProblem:
    return ModelProblem(_MLMODEL_INVALID, message, hint)


def _missing_file(files: ModelFiles) -> ModelProblem:
    below = [name for name in files.names if name.endswith(f"/{MLMODEL}")]
    if below:
        hint = f"name the folder {below[0].removesuffix(f'/{MLMODEL}')} below it, which has one"
    else:
        hint = "name the folder that mlflow.FLAVOR.save_model wrote, or write type: custom_model"
    names = sorted({name.partition("/")[0] for name in files.names}) if files.is_complete else []
    has = f"; it has {join_some(names)}" if names else ""
    return ModelProblem(
        _MLMODEL_MISSING, f"the folder has no file {MLMODEL}, which type: mlflow_model requires{has}", hint
    )


def _read_signature(signature: Json) -> dict[str, Json]:
    """Return the columns of a signature by part; raises ValueError if it has another form."""
    if signature is None:
        return {}
    if not isinstance(signature, dict):
        raise ValueError("it is no mapping")  # noqa: TRY004 - a value of a file, whatever its type
    parts = {part: signature[part] for part in _SIGNATURE_PARTS if signature.get(part) is not None}
    return {part: list(_read_columns(part, value)) for part, value in parts.items()}


def _read_columns(part: str, text: Json) -> Iterator[dict[str, Json]]:
    try:
        columns = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{part} is not JSON") from error
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise ValueError(f"{part} is no list of columns")
    for column in columns[:_MAX_COLUMNS]:
        yield _read_column(part, column)


def _read_column(part: str, column: Mapping[str, Json]) -> dict[str, Json]:
    name = {"name": str(column["name"])} if column.get("name") is not None else {}
    optional = {"optional": True} if column.get("required") is False or column.get("optional") is True else {}
    default = {"default": column["default"]} if column.get("default") is not None else {}
    return {**name, "type": _type_name(part, column), **optional, **default}


def _type_name(part: str, column: Mapping[str, Json]) -> str:
    """Return the type of a column in words: ``double``, ``tensor(float64, [-1, 4])``, ``array(string)``."""
    type_ = column.get("type") or column.get("dtype")  # of parameters, MLflow before 2.10 wrote dtype
    if not isinstance(type_, str):
        raise ValueError(f"a column of {part} has no type")  # noqa: TRY004 - a value of a file, whatever its type
    tensor, items = column.get("tensor-spec"), column.get("items")
    if type_ == "tensor" and isinstance(tensor, dict):
        return f"tensor({tensor.get('dtype')}, {json.dumps(tensor.get('shape'))})"
    if type_ == "array" and isinstance(items, dict) and isinstance(items.get("type"), str):
        return f"array({items['type']})"
    return type_
