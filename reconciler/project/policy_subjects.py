"""What policies see of the actions of a plan: JSON values without secrets, with the metrics of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.model import Action, Json, Record, ResolvedReference, Run, State, Tree
from reconciler.policies.built_in import REGISTERING
from reconciler.policies.policy import Subject
from reconciler.render import plan_json


def make_subject(action: Action, action_body: Json, tree: Tree, state: State | None) -> Subject:
    """Return an action as policies see it; without the live state, what is not about the action is left out."""
    asset = action.resolved.asset if action.resolved else None
    is_candidate = str(action.op) in REGISTERING
    record = (state.current.get(action.address) if state else None) or action.record
    return Subject(
        plain_json(action_body),
        plain_json(_asset_values(action, tree)) if asset else None,
        plain_json(_live_values(record, state)) if record and not record.archived else None,
        plain_json(_candidate_values(action, state)) if is_candidate and action.known_after is None else None,
        str(action.known_after) if is_candidate and action.known_after else "",
        asset.source if asset else "",
        asset.place if asset else "",
    )


def plain_json(value: Json) -> Json:
    """Return a value as ``json.loads`` makes it."""
    return json.loads(json.dumps(value, default=dict))


def _asset_values(action: Action, tree: Tree) -> Json:
    if action.resolved is None:
        raise AssertionError(action)
    asset = action.resolved.asset
    document = plan_json.asset_to_json(asset, tree.display_path(asset.source))
    return {
        "address": str(asset.address),
        "kind": asset.address.kind,
        "name": asset.address.name,
        "version": asset.version,
        "source": document["source"],
        "spec": document.get("spec", {}),
        "references": document.get("references", []),
    }


def _live_values(record: Record, state: State | None) -> Json:
    document = plan_json.record_to_json(record)
    run = state.find_run(record.address, record.run) if state and record.run else None
    values = _run_values(run, "", state) if run else _values_of_references(record.references, state)
    return {
        "address": str(record.address),
        "version": record.version,
        "source": record.source,
        "applied_at": record.applied_at,
        "protected": record.protected,
        "spec": document.get("spec", {}),
        **values,
    }


def _candidate_values(action: Action, state: State | None) -> Json:
    references = action.resolved.references if action.resolved else {}
    return {"version": action.version, **_values_of_references(references, state)}


def _values_of_references(references: Mapping[str, ResolvedReference], state: State | None) -> Json:
    """Return the metrics and parameters of the run whose output an asset is made from; empty ones without a run."""
    for reference in references.values():
        run = state.find_run(reference.address, reference.version) if state and reference.output else None
        if run is not None:
            return _run_values(run, reference.output, state)
    return {"run": "", "metrics": {}, "params": {}, "steps": {}}


def _run_values(run: Run, output: str, state: State | None) -> Json:
    """Return what a run has logged; of an output of a step, ``STEP.OUTPUT``, what the step has."""
    steps = {step.step: step for step in state.find_steps(run.id)} if state else {}
    step = next((item for path, item in steps.items() if output.startswith(f"{path}.")), None)
    logged = step or run
    return {
        "run": run.id,
        "metrics": _as_numbers(logged.metrics),
        "params": dict(logged.params),
        "steps": {path: _as_numbers(item.metrics) for path, item in steps.items()},
    }


def _as_numbers(metrics: Mapping[str, Json]) -> dict[str, Json]:
    """Return metrics with all numbers as floating-point ones, so that they can be compared and added."""
    return {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in metrics.items()
    }
