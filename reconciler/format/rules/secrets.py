"""Secrets that stand in a file: Git never forgets one. design.md, section 5: a literal key in a file is an error.

What is recognisably a key is an error. What stands where a secret belongs but does not look like one (a password
``example``) is a warning, because files with such examples are about. Placeholders are neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import Pointer, executable_nodes, has_placeholder, iter_strings
from reconciler.secrets.fields import ENVIRONMENT_VARIABLES_FIELD, SECRET_CONTAINER_FIELDS, is_secret_at, is_secret_name

_CONNECTION_SECRET_FIELDS = ("api_key", "client_secret", "password", "sas_token", "account_key", "key")
_EXAMPLE_VALUE = re.compile(
    r"example|dummy|placeholder|changeme|your|sample|fake|redacted|todo|(?<![^\W_])secret(?![^\W_])|\.\.\.|\*\*\*",
    re.IGNORECASE,
)
_MIN_SECRET_LENGTH, _MIN_SECRET_VARIETY = 20, 10
# What is a secret wherever it stands, with the word to look for first: a search costs less than a pattern.
_KNOWN_SECRET_PATTERNS = (
    ("AccountKey=", re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"), "a storage account key"),
    ("sig=", re.compile(r"[?&]sig=(?P<secret>[A-Za-z0-9%+/]{30,}={0,2})"), "a shared access signature"),
    ("PRIVATE KEY", re.compile(r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----)"), "a private key"),
    ("AKIA", re.compile(r"\b(?P<secret>AKIA[0-9A-Z]{16})\b"), "an AWS access key"),
    ("ghp_", re.compile(r"\b(?P<secret>ghp_[A-Za-z0-9]{36})\b"), "a GitHub token"),
)
_HINT = "take it out, and replace it where it is valid; where it is used, read it from a file that is not in Git"


def check_secret_fields(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield values where a secret belongs: errors where they look like one, warnings else, placeholders never."""
    for pointer, text in _secret_field_values(subject):
        if not text.strip() or _is_placeholder_secret(text):
            continue
        place = subject.document.value_span(join_pointer(*pointer))
        if _is_likely_secret(text):
            yield Diagnostic("secret-literal", f"{pointer[-1]} is a secret, and this file is in Git", place, _HINT)
        else:
            message = f"{pointer[-1]} is a secret; what stands here will be in Git for ever"
            yield Diagnostic("secret-suspected", message, place, _HINT, Severity.WARNING)


def _secret_field_values(subject: RuleContext) -> Iterator[tuple[Pointer, str]]:
    for holder in SECRET_CONTAINER_FIELDS:
        for pointer, text in iter_strings(subject.spec.get(holder), (holder,)):
            if is_secret_at(pointer):
                yield pointer, text
    for field in _CONNECTION_SECRET_FIELDS:
        if isinstance(subject.spec.get(field), str):
            yield (field,), subject.spec[field]
    for part in executable_nodes(subject):
        for name, value in part.child(ENVIRONMENT_VARIABLES_FIELD).spec.items():
            if isinstance(value, str) and is_secret_name(name):
                yield part.child_pointer(ENVIRONMENT_VARIABLES_FIELD, name), value


def _is_placeholder_secret(text: str) -> bool:
    varied = set(text.lower()) - set("?&=-_:. ")
    return has_placeholder(text) or len(varied) <= 2 or _EXAMPLE_VALUE.search(text) is not None  # noqa: PLR2004 - x and X, or *


def _is_likely_secret(text: str) -> bool:
    """Tell whether a text is as long and as varied as keys are that a machine has made."""
    mixed = any(each.isdigit() for each in text) and any(each.isalpha() for each in text)
    return len(text) >= _MIN_SECRET_LENGTH and mixed and len(set(text)) >= _MIN_SECRET_VARIETY and " " not in text


def check_known_secret_patterns(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield keys of well-known forms, wherever they stand: in a command, a comment, a URL."""
    source = subject.document.text
    for word, pattern, sort in _KNOWN_SECRET_PATTERNS:
        if word not in source:
            continue
        for found in pattern.finditer(source):
            secret = found["secret"]
            if _is_placeholder_secret(secret) or (len(set(secret)) < _MIN_SECRET_VARIETY and "-----" not in secret):
                continue
            place = subject.document.span_at(found.start("secret"))
            yield Diagnostic("secret-literal", f"this is {sort}, and this file is in Git", place, _HINT)


RULES: tuple[Rule, ...] = (check_secret_fields, check_known_secret_patterns)
