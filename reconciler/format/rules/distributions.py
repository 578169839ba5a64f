"""How many processes a distributed job has, and at which ports: reference, section 8 (lax) and RayDistribution.

Which fields go with which framework says the schema; azure-ai-ml takes any number for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.format.rules.parts import mapping, whole, works
from reconciler.format.subject import Rule, Subject

_FIELD = "distribution"
_PORT = 65535  # the highest there is; 0 lets Ray choose
# The least that each field can be, and the most, where there is one.
_BOUNDS = {
    "process_count_per_instance": (1, None),
    "worker_count": (1, None),
    "parameter_server_count": (0, None),
    "port": (0, _PORT),
    "dashboard_port": (0, _PORT),
}


def counts(subject: Subject) -> Iterator[Diagnostic]:
    """Yield numbers with which no job can start."""
    for part in works(subject):
        if _FIELD in part.spec:
            for name, value in mapping(part.spec[_FIELD]).items():
                least, most = _BOUNDS.get(name, (None, None))
                number = whole(value)
                if number is None or least is None or (number >= least and (most is None or number <= most)):
                    continue
                wanted = f"{least} or more" if most is None else f"a number from {least} to {most}"
                message = f"{name} cannot be {number}"
                yield subject.at_value("distribution-range", message, *part.below(_FIELD, name), hint=f"give {wanted}")


RULES: tuple[Rule, ...] = (counts,)
