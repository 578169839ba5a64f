"""The conda files of environments, in a file of their own or as the content of ``conda_file``.

azure-ai-ml passes any text on; the image cannot be built with a file that conda cannot read. What a builder of mlgit
cannot install is reported by ``project.builds``.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.included_file import parse_local_path
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import executable_nodes_and_tasks
from reconciler.format.schemas import check_against_schema
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_FIELD = "conda_file"
_SCHEMA = "conda"


def check_conda_file_of_asset(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the conda file of an environment."""
    yield from _check_conda_file(context, context.spec.get(_FIELD))


def check_inline_conda_files(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the conda files of inline environments."""
    for node in executable_nodes_and_tasks(context):
        if isinstance(node.spec.get("environment"), dict):
            yield from _check_conda_file(context, node.child("environment").spec.get(_FIELD))


def _check_conda_file(context: RuleContext, value: Json) -> Iterator[Diagnostic]:
    path = parse_local_path(value) if isinstance(value, str) and value.strip() else None
    resolved = context.resolve_relative_path(path) if path else ""
    if resolved and context.files.exists(resolved):
        document, diagnostics = parse_yaml(context.files.display_path(resolved), context.files.read_file(resolved))
        yield from (diagnostic for diagnostic in diagnostics if diagnostic.code != "yaml-empty")
        if document.data is not None:
            yield from check_against_schema(document, _SCHEMA)


ASSET_RULES: tuple[Rule, ...] = (check_conda_file_of_asset,)
INLINE_RULES: tuple[Rule, ...] = (check_inline_conda_files,)
