"""`rules:` of mlgit.yml: the severities of diagnostics."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.severity import OFF, OVERRIDABLE_CODES
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json


def restore_off_levels(data: Json) -> Json:
    """Return the settings with rule levels of ``off`` restored: YAML 1.1 reads the word as false."""
    rules = find_value(data, ["rules"])
    if not isinstance(rules, dict):
        return data
    return {**data, "rules": {code: OFF if level is False else level for code, level in rules.items()}}


def check_rule_overrides(document: Document) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each code under ``rules:`` that is unknown or whose severity is fixed."""
    for code in document.data.get("rules", ()):
        if code not in OVERRIDABLE_CODES:
            message = f"the severity of {code} cannot be changed"
            hint = did_you_mean(code, sorted(OVERRIDABLE_CODES)) or "docs/format.md lists the rules that can be changed"
            yield Diagnostic("rule-fixed", message, document.key_span(join_pointer("rules", code)), hint)
