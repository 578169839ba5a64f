"""How many machines: least and most, of computes and deployments. Reference, section 8 (lax)."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.parts import Part, whole
from reconciler.format.subject import Rule, Subject

_PAIRS = (("min_instances", "max_instances"), ("min_node_count", "max_node_count"))
_COUNTS = ("instance_count", "node_count", "idle_time_before_scale_down")
_INSIDE = ("scale_settings", "auto_scale_settings", "resources")


def _parts(subject: Subject) -> Iterator[Part]:
    root = Part((), subject.spec)
    yield root
    for each in _INSIDE:
        yield root.inner(each)


def order(subject: Subject) -> Iterator[Diagnostic]:
    """Yield a least number that is more than the most."""
    for part in _parts(subject):
        for low, high in _PAIRS:
            least, most = whole(part.spec.get(low)), whole(part.spec.get(high))
            if least is not None and most is not None and least > most >= 0:
                yield subject.at_value("instances-order", f"{low} {least} is more than {high} {most}", *part.below(low))


def negative(subject: Subject) -> Iterator[Diagnostic]:
    """Yield numbers of machines, or of seconds, below nothing."""
    for part in _parts(subject):
        for name in (*(each for pair in _PAIRS for each in pair), *_COUNTS):
            number = whole(part.spec.get(name))
            if number is not None and number < 0:
                yield subject.at_value("instances-negative", f"{name} cannot be {number}", *part.below(name))


RULES: tuple[Rule, ...] = (order, negative)
