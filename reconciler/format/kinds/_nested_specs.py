"""What of a job counts in its fingerprint, also of those with other specs inside: nodes, components, trials.

At every level the same fields count, and in the limits of a sweep the number of its trials does. The names and versions
under which outputs are registered do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.format.kind import Kind, SpecParts, word_set
from reconciler.model import Json, Spec

_COMPOSITE_TYPES = frozenset({"pipeline", "sweep"})
_SWEEP_TYPE = "sweep"
# What only describes a node, a component, or an input or an output of it, and is not recorded as a change.
_IGNORED = word_set("version comment latest_version auto_delete_setting")
_DESCRIPTION = "description"
_REGISTRATION = word_set("name version")  # of an output
_TRIAL_COUNT = "max_total_trials"  # it decides the result of a sweep; other limits do not


def is_composite(spec: Spec) -> bool:
    """Return True for a pipeline or a sweep, whose steps and trials are runs of their own."""
    return str(spec.get("type", "")).lower() in _COMPOSITE_TYPES


def split_job(kind: Kind, spec: Spec) -> SpecParts | None:
    """Return what counts in the fingerprint of a job, and what changes in place; None if its fields decide that."""
    if is_composite(spec):
        return _split(kind, spec)
    outputs = spec.get("outputs")
    counted, names = _split_outputs(outputs) if isinstance(outputs, Mapping) else (outputs, {})
    if not names:
        return None
    parts = kind.split_spec({**spec, "outputs": counted})
    return SpecParts(parts.identifying, {**parts.in_place, "outputs": names})


def _split(kind: Kind, spec: Spec) -> SpecParts:
    identifying: dict[str, Json] = {}
    in_place: dict[str, Json] = {}
    for name, value in spec.items():
        if name in kind.ignored_fields or name in _IGNORED:
            continue
        counted, changed = _split_field(kind, spec, name, value)
        if counted is not None:
            identifying[name] = counted
        if changed is not None and changed != {}:
            in_place[name] = changed
    return SpecParts(identifying, in_place)


def _split_field(kind: Kind, spec: Spec, name: str, value: Json) -> tuple[Json, Json]:
    """Return what of a field counts, and what of it changes in place; None for nothing."""
    if name in kind.in_place_fields:
        is_of_sweep = name == "limits" and ("trial" in spec or str(spec.get("type", "")).lower() == _SWEEP_TYPE)
        return _split_limits(value) if is_of_sweep and isinstance(value, Mapping) else (None, value)
    if not isinstance(value, Mapping):
        return value, None
    if name in ("component", "trial"):
        return _split(kind, value)
    if name == "jobs":
        parts = {node: _split(kind, item) if isinstance(item, Mapping) else (item, {}) for node, item in value.items()}
        changed = {node: in_place for node, (_, in_place) in parts.items() if in_place}
        return {node: identifying for node, (identifying, _) in parts.items()}, changed
    if name in ("inputs", "outputs"):
        counted, names = _split_outputs(value) if name == "outputs" else (value, {})
        return {port: _without_description(item) for port, item in counted.items()}, names
    return value, None


def _split_outputs(outputs: Spec) -> tuple[Spec, Spec]:
    """Return outputs without the names and versions under which they are registered, and these."""
    names = {
        output: {name: item[name] for name in _REGISTRATION if name in item}
        for output, item in outputs.items()
        if isinstance(item, Mapping) and not _REGISTRATION.isdisjoint(item)
    }
    counted = {
        output: {name: value for name, value in item.items() if name not in _REGISTRATION} if output in names else item
        for output, item in outputs.items()
    }
    return counted, names


def _split_limits(limits: Spec) -> tuple[Json, Json]:
    counted = {name: value for name, value in limits.items() if name == _TRIAL_COUNT}
    return counted or None, {name: value for name, value in limits.items() if name != _TRIAL_COUNT}


def _without_description(port: Json) -> Json:
    if not isinstance(port, Mapping):
        return port
    return {name: value for name, value in port.items() if name != _DESCRIPTION}
