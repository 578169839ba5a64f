"""How many machines: least and most, of computes and deployments. Reference, section 8 (lax)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer

_MIN_MAX_FIELDS = (("min_instances", "max_instances"), ("min_node_count", "max_node_count"))
_COUNT_FIELDS = ("instance_count", "node_count", "idle_time_before_scale_down")
_NESTED_FIELDS = ("scale_settings", "auto_scale_settings", "resources")


def _settings_nodes(subject: RuleContext) -> Iterator[SpecNode]:
    root = SpecNode((), subject.spec)
    yield root
    for each in _NESTED_FIELDS:
        yield root.child(each)


def check_min_max_order(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield a least number that is more than the most."""
    for part in _settings_nodes(subject):
        for low, high in _MIN_MAX_FIELDS:
            least, most = as_integer(part.spec.get(low)), as_integer(part.spec.get(high))
            if least is not None and most is not None and least > most >= 0:
                yield subject.value_diagnostic(
                    "instances-order", f"{low} {least} is more than {high} {most}", *part.child_pointer(low)
                )


def check_negative_counts(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield numbers of machines, or of seconds, below nothing."""
    for part in _settings_nodes(subject):
        for name in (*(each for pair in _MIN_MAX_FIELDS for each in pair), *_COUNT_FIELDS):
            number = as_integer(part.spec.get(name))
            if number is not None and number < 0:
                yield subject.value_diagnostic(
                    "instances-negative", f"{name} cannot be {number}", *part.child_pointer(name)
                )


RULES: tuple[Rule, ...] = (check_min_max_order, check_negative_counts)
