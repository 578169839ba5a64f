"""Which versions of mlgit may work on a workspace: `requires` of mlgit.yml, read as pip reads versions.

What reads them is loaded by name, and only for a workspace that asks: it takes as long as all of YAML.
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
    """Yield why this mlgit must not work on what the document belongs to."""
    wanted = find_value(document.data, ["requires"])
    if not isinstance(wanted, str):
        return  # nothing is asked for, or the schema has something to say
    specifiers = importlib.import_module("packaging.specifiers")
    try:
        met = specifiers.SpecifierSet(wanted).contains(__version__, prereleases=True)
    except specifiers.InvalidSpecifier:
        message = f"{wanted} names no versions"
        hint = f'write it as pip does, such as requires: ">={__version__}"'
        yield Diagnostic("wrong-value", message, document.value_span(_REQUIRES_POINTER), hint)
        return
    if not met:
        message = f"this workspace needs mlgit {wanted}; this is mlgit {__version__}"
        hint = f'install one that fits: pip install "mlgit{wanted}"'
        yield Diagnostic("requires-unmet", message, document.value_span(_REQUIRES_POINTER), hint)
