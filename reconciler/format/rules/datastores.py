"""The protocol and the credentials of datastores (reference, sections 8 and 11)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import as_lower_text, as_mapping
from reconciler.format.suggest import did_you_mean

_PROTOCOLS = ("https", "http", "wasbs", "wasb", "abfss", "abfs")


def check_protocol(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield protocols that no Azure storage service supports (section 11; azure-ai-ml accepts any text)."""
    value = context.spec.get("protocol")
    if isinstance(value, str) and as_lower_text(value) not in _PROTOCOLS:
        hint = did_you_mean(value, _PROTOCOLS) or f"use one of {', '.join(_PROTOCOLS)}"
        yield context.value_diagnostic(
            "protocol-unknown", f"no datastore supports the protocol {value}", "protocol", hint=hint
        )


def check_credentials(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield credentials with both an account key and a token, as azure-ai-ml does."""
    credentials = as_mapping(context.spec.get("credentials"))
    if credentials.get("account_key") is not None and credentials.get("sas_token") is not None:
        message = "both account_key and sas_token are given; a datastore uses only one"
        yield context.key_diagnostic("credentials-both", message, "credentials", "sas_token", hint="remove one of them")


RULES: tuple[Rule, ...] = (check_protocol, check_credentials)
