"""The inputs of steps that other steps write, as the frozen graph has them."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.engine.driver.graph import Binding
from reconciler.engine.task_inputs import DEFAULT_MODE, DEFAULT_TYPE, lower_word
from reconciler.model import Step


def make_binding(step: Step, name: str) -> Binding:
    """Return an input that another step writes, with how it is read."""
    declared = (step.job.asset.spec.get("inputs") or {}).get(name)
    fields = declared if isinstance(declared, Mapping) else {}
    return Binding(
        step.bindings[name], lower_word(fields, "type", DEFAULT_TYPE), lower_word(fields, "mode", DEFAULT_MODE)
    )
