"""Datastores: how they are spoken to, and with which key. Reference, sections 8 and 11."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_lower_text, as_mapping
from reconciler.format.suggest import did_you_mean

_PROTOCOLS = ("https", "http", "wasbs", "wasb", "abfss", "abfs")


def check_protocol(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield protocols that no storage service of Azure speaks (section 11; azure-ai-ml takes any text)."""
    value = subject.spec.get("protocol")
    if isinstance(value, str) and as_lower_text(value) not in _PROTOCOLS:
        hint = did_you_mean(value, _PROTOCOLS) or f"it is one of {', '.join(_PROTOCOLS)}"
        yield subject.value_diagnostic("protocol-unknown", f"no datastore speaks {value}", "protocol", hint=hint)


def check_credentials(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield credentials with both an account key and a token, as azure-ai-ml does."""
    held = as_mapping(subject.spec.get("credentials"))
    if held.get("account_key") is not None and held.get("sas_token") is not None:
        message = "there is an account key and a token; only one of them can be used"
        yield subject.key_diagnostic("credentials-both", message, "credentials", "sas_token", hint="remove one of them")


RULES: tuple[Rule, ...] = (check_protocol, check_credentials)
