"""What stands under each address once the plan is done, and what a reference resolves to in that view."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.suggest import did_you_mean
from reconciler.model import (
    ActionId,
    Address,
    Asset,
    Record,
    Reference,
    ResolvedAsset,
    ResolvedReference,
    Run,
    RunStatus,
    State,
    Tree,
)
from reconciler.planning import content
from reconciler.planning.fingerprint import asset_fingerprint, canonical_fingerprint, json_digest, metadata_digest
from reconciler.planning.policy import Policy
from reconciler.secrets.redact import redact_spec


@dataclass(frozen=True, slots=True)
class PlannedState:
    """An address as the plan leaves it. ``needs`` are the actions that bring it there.

    ``known_after`` is the address whose run decides the fingerprint; ``stuck`` says that no action of this plan
    will get there, because a run is still going or has failed; ``ended`` says how, where it has ended for good.
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
    """What planning looks at: what is declared, what is live, and the outlooks found so far.

    ``leaving`` is live and about to be removed; ``settled`` is declared and stays as it is, for sure; ``refreshed``
    says that the backends were asked how runs stand.
    """

    tree: Tree
    declared: AssetSet
    state: State
    policy: Policy
    run_ids_to_record: frozenset[str] = frozenset()  # runs whose end this plan records, and with it what they made
    removals: frozenset[Address] = frozenset()
    clean: Container[Address] = frozenset()
    refreshed: bool = False
    planned_states: dict[Address, PlannedState] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def resolve_asset(view: PlanContext, asset: Asset) -> ResolvedAsset:
    """Find everything that an asset depends on; what cannot be found is a diagnostic of the view."""
    kind = kind_of(asset)
    spec = redact_spec(kind.secret_fields, asset.spec, view.state.lineage)
    _check_paths_exist(view, asset)
    contents = {local_path.pointer: content.local_path_digest(view.tree, local_path) for local_path in asset.paths}
    counted = [
        reference for reference in asset.references if kind.is_fingerprint_field(reference.pointer.split("/")[1])
    ]
    found = {reference.pointer: _resolve_reference(view, asset, reference) for reference in asset.references}
    late = next((reference.address for reference in counted if found[reference.pointer] is None), None)
    references = {pointer: reference for pointer, reference in found.items() if reference is not None}
    wanted = "" if late else asset_fingerprint(kind, spec, contents, references)
    record = view.state.current.get(asset.address)
    return ResolvedAsset(
        asset=replace(asset, spec=spec),
        contents=contents,
        references=references,
        fingerprint=canonical_fingerprint(kind, record, wanted, view.state) if record and wanted else wanted,
        metadata=metadata_digest(kind, spec),
        known_after=(view.planned_states[late].known_after or late) if late in view.planned_states else late,
    )


def _check_paths_exist(view: PlanContext, asset: Asset) -> None:
    """Say what a path names and Git does not have: a file may name what is not there, nothing is made of it."""
    for local_path in asset.paths if kind_of(asset).is_supported(asset.spec) else ():
        if not view.tree.exists(local_path.path):
            place = view.declared.documents[asset.source].value_span(local_path.pointer)
            message = f"{local_path.text}: Git has no {view.tree.display_path(local_path.path)}"
            hint = "paths count from the folder of this file; a file that .gitignore leaves out is not in Git"
            view.diagnostics.append(Diagnostic("path-missing", message, place, hint))


def required_action_keys(view: PlanContext, asset: Asset) -> tuple[ActionId, ...]:
    """Return the keys of the actions that must come before one on this asset."""
    return tuple(dict.fromkeys(key for planned_state in _upstream_states(view, asset) for key in planned_state.needs))


def is_blocked(view: PlanContext, asset: Asset) -> bool:
    """Tell whether the asset waits for something that this plan will not bring about."""
    return any(planned_state.blocked for planned_state in _upstream_states(view, asset))


def _upstream_states(view: PlanContext, asset: Asset) -> Iterator[PlannedState]:
    """Yield how things will stand that an asset waits for; an exact version that stands already is not waited for."""
    for reference in asset.references:
        outlook = view.planned_states.get(reference.address)
        if outlook is not None:
            other = reference.version and not reference.output and reference.version != outlook.version
            if not (other and view.state.find_version(reference.address, reference.version)):
                yield outlook


def blocked_reason(view: PlanContext, node: ResolvedAsset) -> str:
    """Say what becomes of something that is stuck: it waits for a job, or is held back by how its run has ended."""
    cause = view.planned_states.get(node.known_after) if node.known_after else None
    ended = cause.run_outcome if cause else ""
    return f"held back: {node.known_after} {ended}" if ended else f"waits for {node.known_after}"


def _resolve_reference(view: PlanContext, asset: Asset, reference: Reference) -> ResolvedReference | None:
    """Resolve one reference; None where its target is known later."""
    outlook = planned_state_at(view, reference.address)
    if outlook is None:
        return _resolve_run_output(view, asset, reference)
    if reference.output:
        return _resolve_job_output(view, asset, reference, outlook)
    if reference.version and reference.version != outlook.version:
        return _resolve_older_version(view, asset, reference, outlook)
    if reference.label not in ("", "latest"):
        return _report_unresolved(view, asset, reference, f"{reference.text}: the one label there is is latest")
    if outlook.known_after:
        return None
    return ResolvedReference(reference.address, outlook.version, outlook.fingerprint)


def planned_state_at(view: PlanContext, address: Address) -> PlannedState | None:
    """Return how an address will stand: as this plan leaves it, else as it is live; None where it will not be there."""
    if address in view.planned_states:
        return view.planned_states[address]
    record = view.state.current.get(address)
    if record is not None and address in view.clean:
        return replace(planned_state_from_record(record, view.state), version=record.run or record.version)
    gone = record is None or record.archived or address in view.removals
    return planned_state_from_record(record, view.state) if record and not gone else None


def planned_state_from_record(record: Record, live: State) -> PlannedState:
    """Return the outlook of a record that stays as it is."""
    run = live.find_run(record.address, record.run) if record.run else None
    return PlannedState(record.version, record.fingerprint, run=run)


def _resolve_older_version(
    view: PlanContext, asset: Asset, reference: Reference, outlook: PlannedState
) -> ResolvedReference:
    record = view.state.find_version(reference.address, reference.version)
    if record is None:
        there = f"its current version is {outlook.version}" if outlook.version else "it has no version yet"
        message = f"{reference.text} names {reference.address.format_with_version(reference.version)}, which does not exist: {there}"
        return _report_unresolved(
            view, asset, reference, message, f"write azureml:{reference.address.name}@latest to follow it"
        )
    return ResolvedReference(reference.address, record.version, record.fingerprint)


def _resolve_job_output(
    view: PlanContext, asset: Asset, reference: Reference, outlook: PlannedState
) -> ResolvedReference | None:
    # What is settled is not read again: its record says the same.
    job = view.declared.assets.get(reference.address) or view.state.current.get(reference.address)
    if job is not None and reference.output not in (outputs := job.spec.get("outputs") or {}):
        message = f"{reference.address} has no output {reference.output}"
        hint = did_you_mean(reference.output, outputs) or f"outputs it has: {', '.join(outputs) or 'none'}"
        return _report_unresolved(view, asset, reference, message, hint)
    if outlook.known_after or outlook.run is None or outlook.run.status is not RunStatus.COMPLETED:
        return None
    stored = outlook.run.outputs.get(reference.output, {}).get("md5", "")
    if not stored and (kind_of(asset).is_runnable or outlook.run.id not in view.run_ids_to_record):
        return None  # the run has ended, its output is not in the store yet
    identity = stored if kind_of(asset).is_runnable else json_digest(outlook.run.id)
    return ResolvedReference(reference.address, outlook.run.id, identity, reference.output, reference.path)


def _find_run_by_name(live: State, address: Address) -> Run | None:
    """Find the run that a reference names in place of a job: runs are called ``<job>-<8 digits>``."""
    leaf = address.name.rpartition("-")[0]
    jobs = (each for each in live.current if each.kind == address.kind and each.name.rpartition("/")[2] == leaf)
    return next(filter(None, (live.find_run(job, address.name) for job in jobs)), None) if leaf else None


def _resolve_run_output(view: PlanContext, asset: Asset, reference: Reference) -> ResolvedReference:
    """Resolve an output of one run, named in place of a job: it stays what it is, whatever its job does since."""
    run = _find_run_by_name(view.state, reference.address)
    if run is None:
        return _report_unresolved(
            view, asset, reference, f"{reference.text} names {reference.address}, which is not live"
        )
    stored = run.outputs.get(reference.output, {}).get("md5", "")
    if run.status is not RunStatus.COMPLETED or not stored:
        message = f"{reference.text} names run {run.id}, which is {run.status} and has no output {reference.output}"
        return _report_unresolved(
            view, asset, reference, message, f"name a run that completed, or {run.address} by its name"
        )
    identity = stored if kind_of(asset).is_runnable else json_digest(run.id)
    return ResolvedReference(run.address, run.id, identity, reference.output, reference.path)


def _report_unresolved(
    view: PlanContext, asset: Asset, reference: Reference, message: str, hint: str = ""
) -> ResolvedReference:
    place = view.declared.documents[asset.source].value_span(reference.pointer)
    view.diagnostics.append(Diagnostic("reference-unresolved", message, place, hint))
    return ResolvedReference(reference.address, "", "")


def referencable(live: State, leaving: Container[Address] = ()) -> Container[Address]:
    """Return what a reference may name beside what is declared: all that is live, not archived and not leaving; runs.

    A run that stays in the history can be named though its job is archived.
    """
    return _ReferencableAddresses(live, leaving)


def existence_check(live: State) -> Callable[[Reference], bool]:
    """Return what tells whether the exact version that a reference names is live, so that nothing must make it."""

    def stands(reference: Reference) -> bool:
        record = live.current.get(reference.address)
        if record is None or record.archived:
            return False
        return (
            reference.version == record.version or live.find_version(reference.address, reference.version) is not None
        )

    return stands


@dataclass(frozen=True, slots=True)
class _ReferencableAddresses(Container[Address]):
    state: State
    removals: Container[Address]

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, Address):
            return False
        if record := self.state.current.get(address):
            return not record.archived and address not in self.removals
        return _find_run_by_name(self.state, address) is not None
