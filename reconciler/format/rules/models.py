"""The files of a model, as its type has them, and the paths that no model can have (reference, section 1).

azure-ai-ml uploads a folder as it is; what is wrong with it shows when an endpoint loads the model.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import partial

from reconciler.diagnostics import Diagnostic
from reconciler.format.included_file import parse_local_path
from reconciler.format.mlflow_model import MLMODEL
from reconciler.format.model_files import ModelFiles, has_layout, inspect_model, list_model_files
from reconciler.format.path_content import find_path_problem
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_lower_text
from reconciler.model import FileReader, Tree

_RUN_HISTORY = re.compile(r"azureml://.*?datastores/[^/]+/(?:paths/)?ExperimentRun/", re.IGNORECASE)


def check_model_files(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the files of a model that are in the repository."""
    text, type_name = context.spec.get("path"), as_lower_text(context.spec.get("type"))
    path = parse_local_path(text) if isinstance(text, str) else None
    if not path or not has_layout(type_name):
        return
    folder = context.resolve_relative_path(path)
    if not (folder == "." or context.files.exists(folder)):
        return  # reported for the path
    for problem in inspect_model(type_name, _list_files(context.files, folder)).problems:
        yield context.value_diagnostic(problem.code, f"{text}: {problem.message}", "path", hint=problem.hint)


def _list_files(files: FileReader, path: str) -> ModelFiles:
    """Return the files of a model; on disk, where folders are not listed, its MLmodel alone."""
    if isinstance(files, Tree):
        return list_model_files(files, path)
    if files.exists(posixpath.join(path, MLMODEL)):
        return ModelFiles((MLMODEL,), False, partial(_read_below, files, path), is_complete=False)
    is_file = path != "." and find_path_problem(files, path, must_be_file=True) is None
    names = (posixpath.basename(path),) if is_file else ()
    return ModelFiles(names, is_file, lambda _name: files.read_file(path), is_complete=False)


def _read_below(files: FileReader, folder: str, name: str) -> bytes:
    return files.read_file(posixpath.join(folder, name))


def check_model_uri(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield a URI that no model of mlgit can be at."""
    text = context.spec.get("path")
    if isinstance(text, str) and _RUN_HISTORY.match(text):
        message = f"{text} is where the run history of an Azure ML workspace keeps a run, by an id of that workspace"
        hint = "write runs:/RUN/PATH or azureml://jobs/JOB/outputs/artifacts/paths/PATH, for a run or a job of mlgit"
        yield context.value_diagnostic("path-run-history", message, "path", hint=hint)


MODEL_RULES: tuple[Rule, ...] = (check_model_files, check_model_uri)
