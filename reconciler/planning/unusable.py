"""Environments in which a backend can run no job, as the live state has it from a build: refused in the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Address, State
from reconciler.model.builds import read_unusable

CODE = "image-unusable"


def settings_digest(config: Config, backend: str) -> str:
    """Return the digest of the settings of a backend: with others it may be able to run jobs."""
    settings = dict(config.backends.get(backend, {}))
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def find_unusable(  # noqa: PLR0913, PLR0917 - what is asked about, and where that is written
    state: State, config: Config, address: Address, fingerprint: str, backends: Iterable[str], span: Span | None = None
) -> Iterator[Diagnostic]:
    """Yield the backends that can run no job in an environment, as an earlier build of it has shown."""
    builds = state.find_builds(fingerprint) if fingerprint else {}
    for backend in dict.fromkeys(backends) if builds else ():
        for build in builds.values():
            known = read_unusable(build, backend)
            if known and known.settings == settings_digest(config, backend):
                yield Diagnostic(CODE, f"{address}: {backend}: {known.message}", span, known.hint)
