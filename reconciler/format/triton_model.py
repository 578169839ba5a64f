"""A model repository of Triton: a folder for each model, with config.pbtxt and a folder for each of its versions.

The rules are those of Triton's documentation, model_repository.md and model_configuration.md: folders of versions are
numbers without a zero in front, all others are ignored; config.pbtxt is optional where Triton derives it from the file
of the model; the name in it is that of the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.abbreviation import join_some
from reconciler.format.model_files import ModelFiles, ModelProblem, ModelReport
from reconciler.format.triton_config import read_config_fields
from reconciler.model import MAX_TEXT_BYTES, Json

_CONFIG = "config.pbtxt"
_VERSION = re.compile(r"[1-9][0-9]*")
_ENSEMBLE = "ensemble"  # its versions are empty folders
_LAYOUT = "triton-layout"
_CONFIG_CODE = "triton-config"
_LAYOUT_HINT = "the layout is MODEL/config.pbtxt and MODEL/1/FILE, as in docs/models.md"
# The files that are a model where config.pbtxt names no other, by platform or backend.
_DEFAULT_FILES = {
    "tensorrt_plan": "model.plan",
    "tensorrt": "model.plan",
    "tensorflow_graphdef": "model.graphdef",
    "tensorflow_savedmodel": "model.savedmodel",
    "onnxruntime_onnx": "model.onnx",
    "onnxruntime": "model.onnx",
    "pytorch_libtorch": "model.pt",
    "openvino": "model.xml",
    "python": "model.py",
    "dali": "model.dali",
}
# Triton derives the configuration of these from the file itself; of model.py if it has auto_complete_config.
_DERIVED = {
    "model.plan": "tensorrt_plan",
    "model.savedmodel": "tensorflow_savedmodel",
    "model.onnx": "onnxruntime_onnx",
    "model.xml": "openvino",
    "model.py": "python",
}


class _Model(NamedTuple):
    """A folder of a model: its name, and what is in each of its version folders by their number."""

    name: str
    versions: Mapping[str, frozenset[str]]
    has_config: bool


def inspect(files: ModelFiles) -> ModelReport:
    """Return the models of a repository with their platforms and versions, and what Triton would refuse."""
    if not files.is_complete:
        return ModelReport()
    models = list(_find_models(files.names))
    if misplaced := _find_misplaced(files.names):
        return ModelReport(problems=(misplaced,))
    if not models:
        return ModelReport(problems=(ModelProblem(_LAYOUT, "the folder has no model of Triton", _LAYOUT_HINT),))
    facts: dict[str, Json] = {}
    problems: list[ModelProblem] = []
    for model in models:
        fields, unreadable = _read_config(files, model)
        own = [unreadable] if unreadable else list(_find_problems(model, fields))
        problems += own
        facts[model.name] = _describe(model, fields)
    return ModelReport({"models": facts}, tuple(problems))


def _find_models(names: Sequence[str]) -> Iterator[_Model]:
    folders: dict[str, list[list[str]]] = {}
    for name in names:
        first, *rest = name.split("/")
        if rest and not first.startswith("."):
            folders.setdefault(first, []).append(rest)
    for folder, paths in folders.items():
        numbers = {path[0] for path in paths if len(path) > 1 and _VERSION.fullmatch(path[0])}
        versions = {
            number: frozenset(path[1] for path in paths if path[0] == number and len(path) > 1)
            for number in sorted(numbers, key=int)
        }
        yield _Model(folder, versions, [_CONFIG] in paths)


def _find_misplaced(names: Sequence[str]) -> ModelProblem | None:
    """Return the problem of a path that names the folder of one model, in place of the repository that has it."""
    firsts = {name.partition("/")[0] for name in names if "/" in name}
    if _CONFIG in names or (firsts and all(_VERSION.fullmatch(first) for first in firsts)):
        message = "the folder is one model, and type: triton_model takes the repository, the folder above"
        return ModelProblem(_LAYOUT, message, f"move it into a folder of the name of the model; {_LAYOUT_HINT}")
    return None


def _read_config(files: ModelFiles, model: _Model) -> tuple[Mapping[str, str], ModelProblem | None]:
    if not model.has_config:
        return {}, None
    path = f"{model.name}/{_CONFIG}"
    raw = files.read(path)
    if len(raw) > MAX_TEXT_BYTES:
        return {}, ModelProblem(_CONFIG_CODE, f"{path} has more than {MAX_TEXT_BYTES:,} bytes", "shorten it")
    try:
        return read_config_fields(raw.decode("utf-8")), None
    except ValueError as error:  # UnicodeDecodeError is one
        reason = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        hint = 'write the text form of a protocol buffer, such as name: "x"'
        return {}, ModelProblem(_CONFIG_CODE, f"{path} cannot be read: {reason}", hint)


def _find_problems(model: _Model, fields: Mapping[str, str]) -> Iterator[ModelProblem]:
    name = fields.get("name", "")
    if name and name != model.name:
        message = f"{model.name}/{_CONFIG} has the name {name}, and its folder is {model.name}"
        yield ModelProblem(_CONFIG_CODE, message, "Triton refuses that: give both one name, or leave name: out")
    if not model.versions:
        message = f"the model {model.name} has no version: a folder whose name is a number from 1, with a file"
        yield ModelProblem(_LAYOUT, message, _LAYOUT_HINT)
        return
    if _engine(model, fields) == _ENSEMBLE:
        return
    if not _engine(model, fields):
        yield _undefined_model(model)
    file = _model_file(fields)
    for version, found in model.versions.items():
        has_file = file in found if file else any(not item.startswith(".") for item in found)
        if not has_file:
            others = sorted(item for item in found if not item.startswith("."))
            has = f"; it has {join_some(others)}" if others else ""
            message = f"version {version} of the model {model.name} has no {file or 'file'}{has}"
            yield ModelProblem(_LAYOUT, message, f"add it, or name another by default_model_filename in {_CONFIG}")


def _undefined_model(model: _Model) -> ModelProblem:
    if model.has_config:
        message = f"{model.name}/{_CONFIG} has neither platform nor backend"
        return ModelProblem(_CONFIG_CODE, message, 'write for example backend: "onnxruntime"')
    derived = join_some(sorted(_DERIVED), limit=len(_DERIVED))
    message = f"the model {model.name} has no {_CONFIG}, and none of the files that Triton derives it from ({derived})"
    return ModelProblem(_CONFIG_CODE, message, f"add {model.name}/{_CONFIG}")


def _model_file(fields: Mapping[str, str]) -> str:
    """Return the name of the file or folder that is the model, "" if it may be any: of a backend of one's own."""
    named = fields.get("default_model_filename", "")
    return named or _DEFAULT_FILES.get(fields.get("platform") or fields.get("backend", ""), "")


def _derived_file(model: _Model) -> str:
    """Return the file of the newest version that tells Triton the platform, "" if there is none."""
    newest = next(reversed(list(model.versions.values())), frozenset[str]())
    return next((file for file in _DERIVED if file in newest), "")


def _engine(model: _Model, fields: Mapping[str, str]) -> str:
    return fields.get("platform") or fields.get("backend") or _DERIVED.get(_derived_file(model), "")


def _describe(model: _Model, fields: Mapping[str, str]) -> Json:
    declared = {name: fields[name] for name in ("platform", "backend") if fields.get(name)}
    derived = {} if declared or not _engine(model, fields) else {"derived": _engine(model, fields)}
    return {**declared, **derived, "versions": list(model.versions)}
