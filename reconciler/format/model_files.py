"""The files of a model as its type has them, read without running any of them: what they say, and what is wrong.

``format.mlflow_model`` and ``format.triton_model``, which read the types with a layout, are imported by name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.format.path_content import resolve_path_content
from reconciler.model import EMPTY_MAPPING, Json, Tree

# The modules that read a type; all others, such as custom_model, may be any file or folder.
_READERS = {"mlflow_model": "mlflow_model", "triton_model": "triton_model"}


class ModelFiles(NamedTuple):
    """The files of a model: their paths within its folder, sorted, or the name of its only file.

    ``read`` returns the bytes of one, cut off beyond ``MAX_TEXT_BYTES`` by one byte. ``is_complete`` is False if only
    some of the files are known, so that what is not listed may exist.
    """

    names: tuple[str, ...]
    is_file: bool
    read: Callable[[str], bytes]
    is_complete: bool = True


class ModelProblem(NamedTuple):
    """What is wrong with the files of a model: code, message and hint of a diagnostic."""

    code: str
    message: str
    hint: str


class ModelReport(NamedTuple):
    """What the files of a model say, as JSON, and what is wrong with them."""

    facts: Mapping[str, Json] = EMPTY_MAPPING
    problems: tuple[ModelProblem, ...] = ()


def list_model_files(tree: Tree, path: str) -> ModelFiles:
    """Return the files of a model behind a path that exists in a tree; what is ignored does not belong to it."""
    content = resolve_path_content(tree, path)
    entries = dict(content.files)
    return ModelFiles(tuple(entries), content.is_file, lambda name: tree.read_blob(entries[name].oid))


def has_layout(type_name: str) -> bool:
    """Return True for a type of model whose files have a layout, which makes it a folder."""
    return type_name.lower() in _READERS


def inspect_model(type_name: str, files: ModelFiles) -> ModelReport:
    """Return what the files of a model of a type say; nothing for a type that may be any file or folder."""
    reader = _READERS.get(type_name.lower())
    if reader is None:
        return ModelReport()
    if files.is_file:
        message = f"{files.names[0] if files.names else 'it'} is a file: a model of type {type_name} is a folder"
        return ModelReport(problems=(ModelProblem("model-not-a-folder", message, folder_hint(type_name)),))
    report: ModelReport = importlib.import_module(f"reconciler.format.{reader}").inspect(files)
    return report


def folder_hint(type_name: str) -> str:
    """Return what to do about a model of a type with a layout that is no folder."""
    return f"name the folder, or write type: custom_model if it is no {type_name.lower()}"
