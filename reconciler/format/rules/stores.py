"""Datastores: how they are spoken to, and with which key. Reference, sections 8 and 11."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.parts import lower, mapping
from reconciler.format.subject import Rule, Subject
from reconciler.format.suggest import did_you_mean

_PROTOCOLS = ("https", "http", "wasbs", "wasb", "abfss", "abfs")


def protocol(subject: Subject) -> Iterator[Diagnostic]:
    """Yield protocols that no storage service of Azure speaks (section 11; azure-ai-ml takes any text)."""
    value = subject.spec.get("protocol")
    if isinstance(value, str) and lower(value) not in _PROTOCOLS:
        hint = did_you_mean(value, _PROTOCOLS) or f"it is one of {', '.join(_PROTOCOLS)}"
        yield subject.at_value("protocol-unknown", f"no datastore speaks {value}", "protocol", hint=hint)


def one_key(subject: Subject) -> Iterator[Diagnostic]:
    """Yield credentials with both an account key and a token, as azure-ai-ml does."""
    held = mapping(subject.spec.get("credentials"))
    if held.get("account_key") is not None and held.get("sas_token") is not None:
        message = "there is an account key and a token; only one of them can be used"
        yield subject.at_key("credentials-both", message, "credentials", "sas_token", hint="remove one of them")


RULES: tuple[Rule, ...] = (protocol, one_key)
