"""Files that another file names and includes: components, environments, lists of packages, jobs of schedules."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.detect import is_flow
from reconciler.format.document import Document
from reconciler.format.rule_context import RuleContext
from reconciler.format.yaml import parse_yaml

FILE_PREFIX = "file:"
_URI_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


def parse_local_path(text: str) -> str | None:
    """Return a text without ``file:`` if it is a local path; None if it is a URI or a reference."""
    if has_file_prefix(text):
        return text[len(FILE_PREFIX) :]
    return None if _URI_SCHEME.match(text) else text


def has_file_prefix(text: str) -> bool:
    """Return True if a text says that it names a file."""
    return text[: len(FILE_PREFIX)].lower() == FILE_PREFIX


def load_included_file(context: RuleContext, text: str) -> RuleContext | None:
    """Return the asset in the YAML file that a relative path names; None if there is no readable mapping, or a flow."""
    path = parse_local_path(text)
    if not path or posixpath.isabs(path):
        return None
    included_path = context.resolve_relative_path(path)
    if not context.files.exists(included_path):
        return None
    try:
        raw = context.files.read_file(included_path)
    except (KeyError, OSError):  # a folder
        return None
    document = _parse_valid_document(context.files.display_path(included_path), raw)
    if document is None or not isinstance(document.data, dict) or is_flow(document):
        return None
    return RuleContext(included_path, document, document.data, context.files)


def find_file_problems(context: RuleContext, text: str) -> tuple[Diagnostic, ...]:
    """Return why the file at a relative path is not readable YAML; nothing if there is no file."""
    name = parse_local_path(text)
    if not name:
        return ()
    path = context.resolve_relative_path(name)
    raw = context.files.read_file(path) if context.files.exists(path) else b""
    problems = parse_yaml(context.files.display_path(path), raw)[1] if raw else ()
    return problems if has_errors(problems) else ()


@lru_cache(maxsize=512)
def _parse_valid_document(path: str, raw: bytes) -> Document | None:
    document, diagnostics = parse_yaml(path, raw)
    return None if has_errors(diagnostics) else document
