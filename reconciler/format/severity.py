"""How much a diagnostic matters here: rules stricter than azure-ai-ml's can be lowered, or raised, in mlgit.yml.

Only codes of rules can be; what a file needs in order to be read, found or planned at all stays an error.
docs/format.md has the same list, with the reason of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.kind import word_set

OFF = "off"
SEVERITY_LEVELS = (*(str(severity) for severity in Severity), OFF)

OVERRIDABLE_CODES = word_set(
    "binding-dangling binding-legacy binding-type binding-unknown cron-illegal deployment-empty distribution-range "
    "environment-both environment-conda environment-neither expression-malformed expression-undeclared "
    "expression-unknown input-range input-type input-undeclared instances-negative instances-order mltable-missing "
    "name-dotted name-illegal name-placeholder name-reserved node-cycle optional-needed output-undeclared "
    "path-missing port-name protocol-unknown recurrence-illegal reference-sort secret-literal secret-suspected "
    "time-illegal time-order traffic-mirror traffic-part traffic-share version-ambiguous version-illegal zone-foreign "
    "zone-unknown"
)


def apply_severity_overrides(found: Iterable[Diagnostic], rules: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Return diagnostics with the severity that ``rules`` gives to their codes, those that are off left out."""
    return tuple(_override_severities(found, rules)) if rules else tuple(found)


def _override_severities(found: Iterable[Diagnostic], rules: Mapping[str, str]) -> Iterator[Diagnostic]:
    for diagnostic in found:
        level = (
            rules.get(diagnostic.code, diagnostic.severity)
            if diagnostic.code in OVERRIDABLE_CODES
            else diagnostic.severity
        )
        if level != OFF:
            yield replace(diagnostic, severity=Severity(level))
