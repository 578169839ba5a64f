"""The planned state of each address, and what references resolve to in it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.data_references import is_data_reference
from reconciler.model import (
    DEFAULT_ARTIFACTS,
    ActionId,
    Address,
    Asset,
    Observation,
    Record,
    Reference,
    ResolvedAsset,
    ResolvedReference,
    Run,
    RunStatus,
    Spec,
    State,
    Tree,
)
from reconciler.planning import content
from reconciler.planning.compute import bound_backend
from reconciler.planning.computes import Computes, FindBackend, no_backend
from reconciler.planning.fingerprint import asset_fingerprint, canonical_fingerprint, metadata_digest
from reconciler.planning.job_outputs import find_job_output, missing_output
from reconciler.planning.jobs import lower, lower_job
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.sources import ComponentVersion, FindComponent
from reconciler.planning.options import PlanOptions
from reconciler.planning.referencable import find_run_by_name
from reconciler.planning.steps import recorded_job, with_environment, with_graph
from reconciler.planning.subjects import lower_declared
from reconciler.planning.support import SupportCheck, no_support_check
from reconciler.secrets.redact import redact_spec


class PlannedState(NamedTuple):
    """The state of an address after the plan. ``needs`` are the actions that bring it about.

    ``known_after`` is the job whose run decides the fingerprint. ``blocked`` is True if no action of this plan brings
    it about, because a run is under way or has failed; ``run_outcome`` says how the run failed.
    """

    version: str = ""
    fingerprint: str = ""
    needs: tuple[ActionId, ...] = ()
    run: Run | None = None
    known_after: Address | None = None
    blocked: bool = False
    run_outcome: str = ""


@dataclass(slots=True)
class PlanContext:
    """What the planners read: what is declared, what is live, and the states that are planned so far.

    ``removals`` are live and about to be removed. ``clean`` are declared and known to stay as they are.
    ``observation`` is what the backends said of runs, None if they were not asked. ``check_support`` asks the
    providers, ``find_backend`` tells what is known of a backend. ``lowerings`` are the jobs that are resolved so far as
    steps.
    """

    tree: Tree
    declared: AssetSet
    state: State
    plan_options: PlanOptions
    run_ids_to_record: frozenset[str] = frozenset()  # runs that this plan records, with their outputs
    removals: frozenset[Address] = frozenset()
    clean: Container[Address] = frozenset()
    observation: Observation | None = None
    check_support: SupportCheck = no_support_check
    find_backend: FindBackend = no_backend
    planned_states: dict[Address, PlannedState] = field(default_factory=dict)
    lowerings: dict[Address, Lowering] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def computes_of(context: PlanContext) -> Computes:
    """Return the computes of a plan: as files declare them, else as they are live."""

    def find_spec(address: Address) -> Spec | None:
        declared, record = context.declared.assets.get(address), context.state.current.get(address)
        return declared.spec if declared else record.spec if record else None

    return Computes(context.plan_options.config, context.find_backend, find_spec)


def resolve_asset(context: PlanContext, asset: Asset) -> ResolvedAsset:
    """Return an asset with all its references and contents resolved; what is missing is a diagnostic of the context."""
    kind = kind_of(asset)
    spec = redact_spec(kind.secret_fields, asset.spec, context.state.lineage)
    contents = {local_path.pointer: content.local_path_digest(context.tree, local_path) for local_path in asset.paths}
    references: dict[str, ResolvedReference] = {}
    late: Address | None = None  # the first reference that counts and is not known yet
    for reference in asset.references:
        if is_data_reference(reference):
            is_late = late is None and reference.address in context.planned_states
            late = reference.address if is_late and context.planned_states[reference.address].blocked else late
            continue
        target = _resolve_reference(context, asset, reference)
        if target is not None:
            references[reference.pointer] = target
        elif late is None and kind.is_fingerprint_field(reference.pointer.split("/")[1]):
            late = reference.address
    resolved = ResolvedAsset(
        asset=asset._replace(spec=spec),
        contents=contents,
        references=references,
        fingerprint="",
        metadata=metadata_digest(kind, spec),
        known_after=(context.planned_states[late].known_after or late) if late in context.planned_states else late,
    )
    if kind.is_runnable:
        lowering = lower_job(resolved, component_finder(context))
        context.lowerings[asset.address] = lowering
        find_pin = context.state.find_pin
        resolved = with_graph(with_environment(resolved, find_pin), lowering.graph, find_pin)
    if late:
        return resolved
    fingerprint = asset_fingerprint(kind, spec, contents, resolved.references)
    record = context.state.current.get(asset.address)
    if record:
        fingerprint = canonical_fingerprint(kind, record, fingerprint, context.state)
    return resolved._replace(fingerprint=fingerprint)


def component_finder(context: PlanContext) -> FindComponent:
    """Return a function that finds the version of a component that a job uses: as declared, else as it is live."""

    @cache
    def find(reference: ResolvedReference) -> ComponentVersion | None:
        address, version = reference.address, reference.version
        declared = context.declared.assets.get(address)
        planned = context.planned_states.get(address)
        if declared is not None and planned is not None and planned.version == version:
            resolved = resolve_asset(replace(context, diagnostics=[]), declared)  # they are reported with the component
            return ComponentVersion(address, version, resolved.asset.spec, resolved.contents, resolved.references)
        record = context.state.find_version(address, version)
        if record is None:
            return None
        return ComponentVersion(address, version, record.spec, record.contents, record.references)

    return find


def required_action_keys(context: PlanContext, asset: Asset) -> tuple[ActionId, ...]:
    """Return the keys of the actions that must come before one on this asset."""
    return tuple(
        dict.fromkeys(key for planned_state in _upstream_states(context, asset) for key in planned_state.needs)
    )


def is_blocked(context: PlanContext, asset: Asset) -> bool:
    """Return True if the asset waits for something that this plan does not bring about."""
    return any(planned_state.blocked for planned_state in _upstream_states(context, asset))


def _upstream_states(context: PlanContext, asset: Asset) -> Iterator[PlannedState]:
    """Yield the planned states that an asset waits for; an exact version that exists already is not waited for."""
    for reference in asset.references:
        planned = context.planned_states.get(reference.address)
        if planned is not None:
            is_other = reference.version and not reference.output and reference.version != planned.version
            if not (is_other and context.state.find_version(reference.address, reference.version)):
                yield planned


def blocked_reason(context: PlanContext, resolved: ResolvedAsset) -> str:
    """Return why an asset is blocked: it waits for a job, or the run of the job did not complete."""
    cause = context.planned_states.get(resolved.known_after) if resolved.known_after else None
    outcome = cause.run_outcome if cause else ""
    return f"held back: {resolved.known_after} {outcome}" if outcome else f"waits for {resolved.known_after}"


def _resolve_reference(context: PlanContext, asset: Asset, reference: Reference) -> ResolvedReference | None:
    """Return the target of a reference, None if it is known later."""
    planned = planned_state_at(context, reference.address)
    if planned is None:
        return _resolve_undeclared(context, asset, reference)
    if reference.output:
        return _resolve_job_output(context, asset, reference, planned)
    if reference.version and reference.version != planned.version:
        return _resolve_older_version(context, asset, reference, planned)
    if problem := label_message(reference):
        return _report_unresolved(context, asset, reference, *problem)
    if planned.known_after:
        return None
    return ResolvedReference(reference.address, planned.version, planned.fingerprint)


def planned_state_at(context: PlanContext, address: Address) -> PlannedState | None:
    """Return the state of an address after the plan, else its live state; None if it will not exist."""
    if address in context.planned_states:
        return context.planned_states[address]
    record = context.state.current.get(address)
    if record is not None and address in context.clean:
        return planned_state_from_record(record, context.state)._replace(version=record.run or record.version)
    if record is None or record.archived or address in context.removals:
        return None
    return planned_state_from_record(record, context.state)


def planned_state_from_record(record: Record, state: State) -> PlannedState:
    """Return the planned state of a record that stays as it is."""
    run = state.find_run(record.address, record.run) if record.run else None
    return PlannedState(record.version, record.fingerprint, run=run)


def _resolve_older_version(
    context: PlanContext, asset: Asset, reference: Reference, planned: PlannedState
) -> ResolvedReference:
    record = context.state.find_version(reference.address, reference.version)
    if record is None:
        current = f"its current version is {planned.version}" if planned.version else "it has no version yet"
        target = reference.address.format_with_version(reference.version)
        message = f"{reference.text} names {target}, which does not exist: {current}"
        hint = f"write azureml:{reference.address.name}@latest to follow it"
        return _report_unresolved(context, asset, reference, message, hint)
    return ResolvedReference(reference.address, record.version, record.fingerprint)


def _resolve_job_output(
    context: PlanContext, asset: Asset, reference: Reference, planned: PlannedState
) -> ResolvedReference | None:
    if problem := _missing_output(context, reference):
        return _report_unresolved(context, asset, reference, *problem)
    run = planned.run
    if planned.known_after or run is None or run.status is not RunStatus.COMPLETED:
        return None
    output = find_job_output(context.state, run, reference.output)
    if reference.output == DEFAULT_ARTIFACTS and output is None:
        message = f"{reference.text}: run {run.id} has kept nothing of ./outputs and ./logs"
        hint = f"let the job write there; of a run before mlgit kept them, `mlgit job rerun {reference.address.name}`"
        return _report_unresolved(context, asset, reference, message, hint)
    is_run, is_recorded_now = kind_of(asset).is_runnable, run.id in context.run_ids_to_record
    if output is None or (not output.key and (is_run or not is_recorded_now)):
        return None  # the run has ended, its output is not in the store yet
    identity = output.key if is_run else output.identity
    return ResolvedReference(reference.address, run.id, identity, reference.output, reference.path)


def _missing_output(context: PlanContext, reference: Reference) -> tuple[str, str] | None:
    """Return why a job does not have the output that a reference names, and a hint; None if it has it."""
    # The file of a clean asset is not parsed again: its record says the same.
    job = context.declared.assets.get(reference.address)
    record = context.state.current.get(reference.address)
    if job is not None:
        return missing_output(reference, job.spec, lower_declared(context.declared, job).graph)
    if record is None:
        return None
    recorded = recorded_job(record, record.source)
    return missing_output(reference, record.spec, lower(recorded, component_finder(context)))


def label_message(reference: Reference) -> tuple[str, str] | None:
    """Return the message and the hint for a reference by an unknown label; None for any other."""
    if reference.label in ("", "latest"):
        return None
    return f"{reference.text}: the only label is latest", f"write azureml:{reference.address.name}@latest"


def _resolve_undeclared(context: PlanContext, asset: Asset, reference: Reference) -> ResolvedReference:
    """Return a compute that only mlgit.yml names, or the output of a run that is named in place of its job."""
    if bound_backend(context.plan_options.config, reference.address):
        return ResolvedReference(reference.address, "", "")
    run = find_run_by_name(context.state, reference.address)
    if run is None:
        return _report_unresolved(
            context, asset, reference, f"{reference.text} names {reference.address}, which is not live"
        )
    output = find_job_output(context.state, run, reference.output)
    if run.status is not RunStatus.COMPLETED or output is None or not output.key:
        message = f"{reference.text} names run {run.id}, which is {run.status} and has no output {reference.output}"
        return _report_unresolved(
            context, asset, reference, message, f"name a run that completed, or {run.address} by its name"
        )
    identity = output.key if kind_of(asset).is_runnable else output.identity
    return ResolvedReference(run.address, run.id, identity, reference.output, reference.path)


def _report_unresolved(
    context: PlanContext, asset: Asset, reference: Reference, message: str, hint: str = ""
) -> ResolvedReference:
    span = context.declared.value_span(asset, reference.pointer)
    context.diagnostics.append(Diagnostic("reference-unresolved", message, span, hint))
    return ResolvedReference(reference.address, "", "")
