"""The ``requires:`` check of mlgit.yml: which versions of mlgit may work on a workspace, in pip's syntax.

``packaging`` is imported by name, and only for a workspace that has ``requires``: it takes as long as all of YAML.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from reconciler import __version__
from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.pointers import find_value

_REQUIRES_POINTER = "/requires"


def check_required_version(document: Document) -> Iterator[Diagnostic]:
    """Yield a diagnostic if this version of mlgit does not satisfy ``requires:``, or if that is no specifier."""
    required = find_value(document.data, ["requires"])
    if not isinstance(required, str):
        return  # absent, or of a type that the schema refuses
    specifiers = importlib.import_module("packaging.specifiers")
    try:
        satisfied = specifiers.SpecifierSet(required).contains(__version__, prereleases=True)
    except specifiers.InvalidSpecifier:
        message = f"{required} is not a version specifier"
        hint = f'use the syntax of pip, such as requires: ">={__version__}"'
        yield Diagnostic("wrong-value", message, document.value_span(_REQUIRES_POINTER), hint)
        return
    if not satisfied:
        message = f"this workspace requires mlgit {required}, but this is mlgit {__version__}"
        hint = f'install a matching version: pip install "mlgit{required}"'
        yield Diagnostic("requires-unmet", message, document.value_span(_REQUIRES_POINTER), hint)
