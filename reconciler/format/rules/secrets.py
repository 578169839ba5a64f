"""The secrets in a file, which stay in the history of the Git repository.

A recognisable key is an error. Another value in a secret field, such as a password ``example``, is a warning, because
existing files have such examples. A placeholder is neither.
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
# Secrets that are recognised in any field. The word comes first, because a search is cheaper than a pattern.
_KNOWN_SECRET_PATTERNS = (
    ("AccountKey=", re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"), "a storage account key"),
    ("sig=", re.compile(r"[?&]sig=(?P<secret>[A-Za-z0-9%+/]{30,}={0,2})"), "a shared access signature"),
    ("PRIVATE KEY", re.compile(r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----)"), "a private key"),
    ("AKIA", re.compile(r"\b(?P<secret>AKIA[0-9A-Z]{16})\b"), "an AWS access key"),
    ("ghp_", re.compile(r"\b(?P<secret>ghp_[A-Za-z0-9]{36})\b"), "a GitHub token"),
)
_HINT = "remove it from the file, revoke it, and read its replacement from a file that is not in Git"


def check_secret_fields(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield values of secret fields: errors if they look like secrets, else warnings; placeholders are allowed."""
    for pointer, text in _secret_field_values(context):
        if not text.strip() or _is_placeholder_secret(text):
            continue
        span = context.document.value_span(join_pointer(*pointer))
        if _is_likely_secret(text):
            yield Diagnostic("secret-literal", f"{pointer[-1]} contains a secret, and this file is in Git", span, _HINT)
        else:
            message = f"{pointer[-1]} is a secret field; its value stays in the Git history"
            yield Diagnostic("secret-suspected", message, span, _HINT, Severity.WARNING)


def _secret_field_values(context: RuleContext) -> Iterator[tuple[Pointer, str]]:
    for field in SECRET_CONTAINER_FIELDS:
        for pointer, text in iter_strings(context.spec.get(field), (field,)):
            if is_secret_at(pointer):
                yield pointer, text
    for field in _CONNECTION_SECRET_FIELDS:
        if isinstance(context.spec.get(field), str):
            yield (field,), context.spec[field]
    for node in executable_nodes(context):
        for name, value in node.child(ENVIRONMENT_VARIABLES_FIELD).spec.items():
            if isinstance(value, str) and is_secret_name(name):
                yield node.child_pointer(ENVIRONMENT_VARIABLES_FIELD, name), value


def _is_placeholder_secret(text: str) -> bool:
    varied = set(text.lower()) - set("?&=-_:. ")
    return has_placeholder(text) or len(varied) <= 2 or _EXAMPLE_VALUE.search(text) is not None  # noqa: PLR2004 - x and X, or *


def _is_likely_secret(text: str) -> bool:
    """Return True if a text is as long and varied as a generated key."""
    mixed = any(character.isdigit() for character in text) and any(character.isalpha() for character in text)
    return len(text) >= _MIN_SECRET_LENGTH and mixed and len(set(text)) >= _MIN_SECRET_VARIETY and " " not in text


def check_known_secret_patterns(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield keys of well-known formats anywhere in the file: in a command, a comment, a URL."""
    source = context.document.text
    for word, pattern, description in _KNOWN_SECRET_PATTERNS:
        if word not in source:
            continue
        for match in pattern.finditer(source):
            secret = match["secret"]
            if _is_placeholder_secret(secret) or (len(set(secret)) < _MIN_SECRET_VARIETY and "-----" not in secret):
                continue
            span = context.document.span_at(match.start("secret"))
            yield Diagnostic("secret-literal", f"this file, which is in Git, contains {description}", span, _HINT)


RULES: tuple[Rule, ...] = (check_secret_fields, check_known_secret_patterns)
