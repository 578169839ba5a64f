"""Mask, in diagnostics of any format, the secrets of the file that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from reconciler.diagnostics import Diagnostic
from reconciler.secrets.redact import mask_secrets
from reconciler.secrets.source_lines import find_line_secrets


def mask_diagnostics(
    diagnostics: Iterable[Diagnostic], read_lines: Callable[[str], Sequence[str]]
) -> tuple[Diagnostic, ...]:
    """Return diagnostics whose messages and hints quote none of the secrets of their file."""
    secrets_of = cache(lambda path: find_line_secrets(read_lines(path)))
    return tuple(
        _mask(diagnostic, secrets_of(diagnostic.span.path)) if diagnostic.span else diagnostic
        for diagnostic in diagnostics
    )


def _mask(diagnostic: Diagnostic, values: frozenset[str]) -> Diagnostic:
    if not values:
        return diagnostic
    return replace(
        diagnostic, message=mask_secrets(diagnostic.message, values), hint=mask_secrets(diagnostic.hint, values)
    )
