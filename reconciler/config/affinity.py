"""What one machine alone has, of a live state that many share: said in mlgit.yml with ``host:``, or it is an error.

Without it another machine would ask its own empty folder how runs stand, and take them all for lost.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer


def affinity_problems(
    document: Document, config: Config, one_host: Container[str], severity: Severity = Severity.ERROR
) -> Iterator[Diagnostic]:
    """Yield the store and the backends that others cannot reach, where the live state is shared with them.

    ``one_host`` are the names of the backends that are processes, or the like, of one machine.
    """
    if not config.remote:
        return
    shared = f"the live state is shared through {config.remote}"
    if not config.store_host and not posixpath.isabs(config.store):
        message = f"{shared}, and the store {config.store} is in this clone alone"
        hint = "name the machine that has it, store: {host: NAME}, or a folder that all have by its whole path"
        yield Diagnostic("store-not-shared", message, _config_span(document, "store", "path"), hint, severity)
    for name, settings in config.backends.items():
        if name in one_host and not settings.get("host"):
            message = f"{shared}, and the backend {name} ({settings['type']}) is on one machine alone"
            hint = f"name that machine, backends: {{{name}: {{host: NAME}}}}, or use a backend that all can reach"
            yield Diagnostic("backend-not-shared", message, _config_span(document, "backends", name), hint, severity)


def _config_span(document: Document, *parts: str) -> Span:
    """Return where mlgit.yml says it; what it leaves to the default is wrong because of the remote."""
    said = find_value(document.data, parts) is not None
    return document.value_span(join_pointer(*parts)) if said else document.value_span(join_pointer("state", "remote"))
