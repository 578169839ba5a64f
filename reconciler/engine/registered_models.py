"""What is recorded of the files of a model when it is registered: what they say, and the name of their folder."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.engine.action_context import ActionContext
from reconciler.engine.registered_locations import path_span
from reconciler.format.data_uris import parse_data_uri
from reconciler.format.model_files import ModelFiles, has_layout, inspect_model
from reconciler.model import MAX_TEXT_BYTES, Json, ResolvedAsset
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore

_PATH = "/path"


def describe_model(context: ActionContext, resolved: ResolvedAsset, contents: Mapping[str, Content]) -> dict[str, Json]:
    """Return what is recorded of a model beside its content: ``model``, what its files say, and ``name``.

    ``name`` is the last part of the path, which a folder keeps: what ``AZUREML_MODEL_DIR`` is the folder of. Raises
    UserError at the line of the path if the files are not as the type has them.
    """
    content, asset = contents.get(_PATH), resolved.asset
    if content is None:
        return {}
    name = _folder_name(resolved) if content.is_folder else content.name
    recorded: dict[str, Json] = {"name": name} if name else {}
    type_name = str(asset.spec.get("type") or "")
    if not has_layout(type_name):
        return recorded
    report = inspect_model(type_name, _stored_files(context.providers.store, content))
    if report.problems:
        span, text = path_span(context, asset), asset.spec["path"]
        problems = (Diagnostic(item.code, f"{text}: {item.message}", span, item.hint) for item in report.problems)
        raise UserError(*problems)
    return {**recorded, "model": dict(report.facts)} if report.facts else recorded


def _stored_files(store: ObjectStore, content: Content) -> ModelFiles:
    digests = {file.path: file.digest for file in store.manifest(content)}

    def read(name: str) -> bytes:
        with store.open(digests[name]) as stream:
            return stream.read(MAX_TEXT_BYTES + 1)

    return ModelFiles(tuple(sorted(digests)), not content.is_folder, read)


def _folder_name(resolved: ResolvedAsset) -> str:
    """Return the last part of the path of a folder, "" for the top of the repository or of a datastore."""
    reference = resolved.references.get(_PATH)
    if reference is not None and reference.output:
        return posixpath.basename(reference.path) or reference.output.rpartition(".")[2]
    local = next((path.path for path in resolved.asset.paths if path.pointer == _PATH), None)
    if local is not None:
        return posixpath.basename(local).strip(".")
    uri = parse_data_uri(str(resolved.asset.spec.get("path", "")))
    name = posixpath.basename(uri.path) if uri else ""
    return "" if set(name) & set("*?[") else name
