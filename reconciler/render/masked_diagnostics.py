"""Diagnostics as they are shown in any format: without secrets of their file, and without the middle of long names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from reconciler.abbreviation import abbreviate_text
from reconciler.diagnostics import Diagnostic
from reconciler.secrets.redact import mask_secrets
from reconciler.secrets.source_lines import find_line_secrets


def mask_diagnostics(
    diagnostics: Iterable[Diagnostic], read_lines: Callable[[str], Sequence[str]]
) -> tuple[Diagnostic, ...]:
    """Return diagnostics whose messages and hints quote no secret of their file, and of a long name its ends only."""
    secrets_of = cache(lambda path: find_line_secrets(read_lines(path)))
    return tuple(
        _mask(diagnostic, secrets_of(diagnostic.span.path) if diagnostic.span else frozenset())
        for diagnostic in diagnostics
    )


def _mask(diagnostic: Diagnostic, values: frozenset[str]) -> Diagnostic:
    message, hint = (abbreviate_text(mask_secrets(text, values)) for text in (diagnostic.message, diagnostic.hint))
    if (message, hint) == (diagnostic.message, diagnostic.hint):
        return diagnostic
    return diagnostic._replace(message=message, hint=hint)
