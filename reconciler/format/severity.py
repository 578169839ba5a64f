"""Severity overrides: ``rules:`` in mlgit.yml changes the severity of the rules that are stricter than azure-ai-ml.

Errors that prevent a file from being read or planned cannot be changed. docs/format.md lists the rules with their
reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.kind import word_set

OFF = "off"
SEVERITY_LEVELS = (*(str(severity) for severity in Severity), OFF)

OVERRIDABLE_CODES = word_set(
    "binding-dangling binding-legacy binding-type binding-unknown builder-cannot cron-illegal data-not-a-file "
    "data-not-a-folder deployment-empty distribution-range "
    "environment-both environment-conda environment-neither expression-malformed expression-undeclared field-ignored "
    "expression-unknown input-range input-type input-undeclared instances-negative instances-order mltable-missing "
    "mltable-path-missing mltable-path-outside mltable-pattern name-dotted name-illegal name-placeholder "
    "name-reserved node-cycle optional-needed "
    "output-undeclared path-missing port-name protocol-unknown recurrence-illegal reference-sort requirement-refused "
    "secret-literal secret-suspected sweep-sampling sweep-unused time-illegal time-order traffic-mirror traffic-part "
    "traffic-share value-ambiguous version-ambiguous version-illegal zone-foreign zone-unknown"
)


def apply_severity_overrides(diagnostics: Iterable[Diagnostic], rules: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """Return diagnostics with the severities that ``rules`` gives to their codes, without those that are off."""
    return tuple(_override_severities(diagnostics, rules)) if rules else tuple(diagnostics)


def _override_severities(diagnostics: Iterable[Diagnostic], rules: Mapping[str, str]) -> Iterator[Diagnostic]:
    for diagnostic in diagnostics:
        level: str = diagnostic.severity
        if diagnostic.code in OVERRIDABLE_CODES:
            level = rules.get(diagnostic.code, level)
        if level != OFF:
            yield diagnostic._replace(severity=Severity(level))
