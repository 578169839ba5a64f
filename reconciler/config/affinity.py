"""Host affinity: a store or backend of one machine needs ``host:`` in mlgit.yml where a remote shares the live state.

Without it another machine would look for runs in its own empty folder and take them all for lost.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator

from reconciler.config.config import Config
from reconciler.config.stores import FOLDER_STORE
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer


def check_host_affinity(
    document: Document, config: Config, single_host_backends: Container[str], severity: Severity = Severity.ERROR
) -> Iterator[Diagnostic]:
    """Yield a diagnostic for the store and for each backend that is on one machine and has no ``host:``.

    ``single_host_backends`` are the names of the backends that run on one machine, such as local processes. A state
    that is not shared through a remote gives no diagnostics.
    """
    if not config.remote:
        return
    shared = f"the live state is shared through the remote {config.remote}"
    if config.store_type == FOLDER_STORE and not config.store_host and not posixpath.isabs(config.store):
        message = f"the store {config.store} exists in this clone only, but {shared}"
        hint = (
            "name its machine with store: {host: NAME}, or set store: path: to an absolute path that all machines share"
        )
        yield Diagnostic("store-not-shared", message, _config_span(document, "store", "path"), hint, severity)
    for name, settings in config.backends.items():
        if name in single_host_backends and not settings.get("host"):
            message = f"the backend {name} ({settings['type']}) exists on one machine only, but {shared}"
            hint = f"name its machine with backends: {{{name}: {{host: NAME}}}}, or use a backend that all can reach"
            yield Diagnostic("backend-not-shared", message, _config_span(document, "backends", name), hint, severity)


def check_ephemeral_machine(
    document: Document, config: Config, single_host_backends: Container[str], host: str
) -> Iterator[Diagnostic]:
    """Yield a diagnostic for all that would be lost with a machine that exists for one job of a CI system only."""
    ends = "this runner is gone after its job (RUNNER_ENVIRONMENT is github-hosted)"
    if not config.remote:
        message = f"{ends}, and so would be the live state, which is in this clone only"
        hint = "share it: state: {remote: origin}"
        yield Diagnostic("runner-not-kept", message, _config_span(document, "state"), hint)
    if config.store_type == FOLDER_STORE and config.has_store(host):
        message = f"{ends}, and so would be the store {config.store}"
        hint = "name the machine that has it with store: {host: NAME}, and let a self-hosted runner there apply"
        yield Diagnostic("runner-not-kept", message, _config_span(document, "store", "path"), hint)
    for name in dict.fromkeys(config.compute.values()):
        if name in single_host_backends and config.backend_host(name) in ("", host):
            message = f"{ends}, and so would be the runs of the backend {name}"
            named = f"backends: {{{name}: {{host: NAME}}}}"
            hint = f"name the machine that runs jobs with {named}, and let a self-hosted runner there apply"
            yield Diagnostic("runner-not-kept", message, _config_span(document, "backends", name), hint)


def _config_span(document: Document, *keys: str) -> Span:
    """Return the span of a value in mlgit.yml, or that of ``state: remote`` if the value is a default."""
    is_set = find_value(document.data, keys) is not None
    fallback = ("state", "remote") if find_value(document.data, ("state", "remote")) is not None else ("state",)
    return document.value_span(join_pointer(*(keys if is_set else fallback)))
