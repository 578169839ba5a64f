"""Secrets in the lines of a file: the values behind names such as ``DB_PASSWORD``, found without parsing the file.

A line is shown where something else is wrong in it, in a file that perhaps cannot be parsed. A secret is replaced by
as many asterisks as it has characters, so that columns stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from reconciler.secrets.fields import is_secret_name, may_have_secret_name, words_of_secret_names
from reconciler.secrets.urls import find_url_secrets

_ASSIGNMENT = (
    r"(?P<name>(?<![\w.-])[A-Za-z_][\w.-]{0,100})[\"']?\s{0,20}[:=]\s{0,20}[\"']?"
    r"(?P<value>(?![${<!&*|>\[])[^\s\"',}\]][^\"',}\]]*)"
)
_MIN_VALUE_LENGTH = 4  # characters; a shorter value stands in too much that is no secret
_MAX_LINE_LENGTH = 10_000  # characters of a line that are searched for values


def find_line_secrets(lines: Iterable[str]) -> frozenset[str]:
    """Return the values behind names of secrets in lines of YAML, or of a shell command."""
    lines = [line[:_MAX_LINE_LENGTH] for line in lines if ":" in line or "=" in line]
    words = words_of_secret_names("\n".join(lines))
    candidates = [line for line in lines if may_have_secret_name(line, words)]
    values = (line[start:end].strip() for line in candidates for start, end in _find_values(line))
    return frozenset(value for value in values if len(value) >= _MIN_VALUE_LENGTH)


def mask_source_line(line: str, values: AbstractSet[str]) -> str:
    """Return a line with asterisks for its own secrets and for each of the values."""
    line = _mask_spans(line, (*_find_values(line), *((start, end) for start, end, _ in find_url_secrets(line))))
    for value in sorted(values, key=len, reverse=True):
        line = line.replace(value, "*" * len(value))
    return line


def _mask_spans(line: str, spans: Iterable[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in sorted(spans):
        if end > position:
            parts += [line[position:start], "*" * (end - max(start, position))]
            position = end
    return "".join((*parts, line[position:]))


def _find_values(line: str) -> Iterator[tuple[int, int]]:
    if (":" in line or "=" in line) and may_have_secret_name(line):
        yield from (match.span("value") for match in re.finditer(_ASSIGNMENT, line) if is_secret_name(match["name"]))
