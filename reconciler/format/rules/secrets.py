"""The secrets in a file, which stay in the history of the Git repository.

A recognisable key is an error. Another value in a secret field, such as a password ``example``, is a warning, because
existing files have such examples. A placeholder is neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.kinds.datastore import KIND as DATASTORE
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import executable_nodes, has_placeholder, iter_strings
from reconciler.secrets.fields import ENVIRONMENT_VARIABLES_FIELD, SECRET_CONTAINER_FIELDS, is_secret_at, is_secret_name
from reconciler.secrets.urls import find_url_secrets

_CONNECTION_SECRET_FIELDS = ("api_key", "client_secret", "password", "sas_token", "account_key", "key")
# Patterns that few files need are compiled with the first text that they are asked of.
_EXAMPLE_VALUE = (
    r"example|dummy|placeholder|changeme|your|sample|fake|redacted|todo|(?<![^\W_])secret(?![^\W_])|\.\.\.|\*\*\*"
)
_URL_PLACEHOLDER = r"[${\[]|%\w+%|[x*.…_-]+$|.*(?:example|dummy|placeholder|changeme|your[-_]|redacted)"
_MIN_SECRET_LENGTH, _MIN_SECRET_VARIETY = 20, 10
# Secrets that are recognised in any field. The word comes first, because a search is cheaper than a pattern,
# which is compiled only for a file that has the word.
_KNOWN_SECRET_PATTERNS = (
    ("AccountKey=", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})", "a storage account key"),
    ("SharedAccessKey=", r"SharedAccessKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})", "a shared access key"),
    ("PRIVATE KEY", r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----)", "a private key"),
    ("AKIA", r"\b(?P<secret>AKIA[0-9A-Z]{16})\b", "an AWS access key"),
    ("ASIA", r"\b(?P<secret>ASIA[0-9A-Z]{16})\b", "an AWS access key"),
    ("ghp_", r"\b(?P<secret>ghp_[A-Za-z0-9]{36})\b", "a GitHub token"),
)
_HINT = "remove it from the file, revoke it, and read its replacement from a file that is not in Git"
_BINDING_HINT = (
    "remove it from the file, revoke it, and bind its replacement in mlgit.yml: "
    "secrets: {{NAME: {{from: 'env:VARIABLE', for: [datastore/{name}], fields: [{pointer}]}}}}"
)


def check_secret_fields(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield values of secret fields: errors if they look like secrets, else warnings; placeholders are allowed."""
    for pointer, text in _secret_field_values(context):
        if not text.strip() or _is_placeholder_secret(text):
            continue
        span = context.document.value_span(join_pointer(*pointer))
        if _is_likely_secret(text):
            message = f"{pointer[-1]} contains a secret, and this file is in Git"
            yield Diagnostic("secret-literal", message, span, _hint(context, pointer))
        else:
            message = f"{pointer[-1]} is a secret field; its value stays in the Git history"
            yield Diagnostic("secret-suspected", message, span, _hint(context, pointer), Severity.WARNING)


def _hint(context: RuleContext, pointer: Pointer) -> str:
    """Return what to do about a secret; one of a datastore can be bound to the field."""
    if str(context.spec.get("type", "")).lower() not in DATASTORE.types:
        return _HINT
    return _BINDING_HINT.format(name=context.spec.get("name"), pointer=join_pointer(*pointer))


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
    return has_placeholder(text) or len(varied) <= 2 or re.search(_EXAMPLE_VALUE, text, re.IGNORECASE) is not None  # noqa: PLR2004 - x and X, or *


def _is_likely_secret(text: str) -> bool:
    """Return True if a text is as long and varied as a generated key."""
    mixed = any(character.isdigit() for character in text) and any(character.isalpha() for character in text)
    return len(text) >= _MIN_SECRET_LENGTH and mixed and len(set(text)) >= _MIN_SECRET_VARIETY and " " not in text


def check_known_secret_patterns(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield secrets of well-known forms anywhere in the file: in a path, a command, a comment."""
    descriptions = dict(find_known_secrets(context.document.text))
    for position, description in sorted(descriptions.items()):
        message = f"this file, which is in Git, contains {description}"
        yield Diagnostic("secret-literal", message, context.document.span_at(position), _HINT)


def find_known_secrets(source: str) -> Iterator[tuple[int, str]]:
    """Yield where each secret begins, and what it is; the last one counts if several begin at one place."""
    for start, end, description in find_url_secrets(source):
        if not _is_placeholder_in_url(source[start:end]):
            yield start, description
    for word, pattern, description in _KNOWN_SECRET_PATTERNS:
        for match in re.finditer(pattern, source) if word in source else ():
            secret = match["secret"]
            is_varied = len(set(secret)) >= _MIN_SECRET_VARIETY or "-----" in secret
            if is_varied and not _is_placeholder_secret(secret):
                yield match.start("secret"), description


def _is_placeholder_in_url(text: str) -> bool:
    """Return True for a variable, an ellipsis or a word that says so: a real password may be short, or a word."""
    return has_placeholder(text) or re.match(_URL_PLACEHOLDER, text, re.IGNORECASE) is not None


RULES: tuple[Rule, ...] = (check_secret_fields, check_known_secret_patterns)
