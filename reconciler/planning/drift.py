"""Drift: where the providers differ from the record, what apply does about it, and what mlgit.yml wants.

What is declared and not applied yet is no drift, nor is a run that ended by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Action, Address, Json, Observation, Op, Phase, Plan, Record, Run, State, Tree
from reconciler.model.content import Content
from reconciler.model.providers import REFUSED
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.planning.resource_settings import are_in_place, describe_change, find_changed_settings
from reconciler.planning.uri_inputs import find_location

TreeLookup = Callable[[str], Tree | None]  # returns the tree of a commit, None if Git does not have it


class DriftPolicy(StrEnum):
    """What is done about drift: repair it, show it, write it into Git by a pull request, do not check."""

    REPAIR = "repair"
    WARN = "warn"
    WRITE_BACK = "write-back"
    IGNORE = "ignore"


_RESTORE_REMEDIES = {
    DriftPolicy.REPAIR: "apply restores it from Git",
    DriftPolicy.WARN: "set drift: repair in mlgit.yml to let apply restore it from Git",
}
_RESOURCE_REMEDIES = {
    DriftPolicy.REPAIR: "apply {repairs}",
    DriftPolicy.WARN: "set drift: repair in mlgit.yml to let apply {repair}",
    DriftPolicy.WRITE_BACK: "`mlgit ci drift --write`, or a pull request, writes that into Git",
}
REFUSED_TYPE = "resource-refused"
GONE, CHANGED, UNDECLARED = "resource-gone", "resource-changed", "undeclared"  # the types that Git can be given
# After these, another version is current, or none.
_VERSION_CHANGING_OPS = (Op.NEW_VERSION, Op.REGISTER, Op.ADOPT, Op.ARCHIVE, Op.DELETE)


class Drift(NamedTuple):
    """One difference between the providers and the record.

    ``subject`` names it for a person; ``remedy`` is what apply does, or what the user can do. ``record`` is given if an
    action of apply repairs it. Drift that is ``local`` is missing on this machine only, where it may never have been.
    ``address`` is that of the asset if files can be changed so that they declare what is live.
    """

    subject: str
    drift_type: str
    message: str
    remedy: str
    policy: DriftPolicy = DriftPolicy.WARN
    record: Record | None = None
    local: bool = False
    address: Address | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}; {self.remedy}"


def drift_policy_of(config: Config, address: Address, default: DriftPolicy = DriftPolicy.REPAIR) -> DriftPolicy:
    """Return the drift policy of an asset: that of its kind or of the longest glob that matches its address."""
    globs = [glob for glob in config.drift if glob == address.kind or fnmatchcase(str(address), glob)]
    return DriftPolicy(config.drift[max(globs, key=len)]) if globs else default


def repair_policy_of(config: Config, address: Address) -> DriftPolicy:
    """Return the drift policy of what no file declares, such as a run or the content of the store.

    It cannot be written into Git, so it is repaired where the policy of the asset is to write back.
    """
    policy = drift_policy_of(config, address)
    return DriftPolicy.REPAIR if policy is DriftPolicy.WRITE_BACK else policy


def monitored_records(state: State, config: Config) -> Iterator[Record]:
    """Yield the records that are checked for drift: all that are live, except those that mlgit.yml ignores."""
    for record in state.current.values():
        is_known = not record.archived and record.address.kind in kinds()
        if is_known and drift_policy_of(config, record.address) != DriftPolicy.IGNORE:
            yield record


def content_keys_of(state: State, record: Record) -> tuple[str, ...]:
    """Return the digests of what the store has for a record: its own content, and the outputs of its current run."""
    return tuple(dict.fromkeys(content["md5"] for content in _contents_of(state, record)))


def contents_of(state: State, record: Record) -> tuple[Content, ...]:
    """Return what the store has for a record: its own content, and the outputs of its current run."""
    return tuple(map(Content.from_json, _contents_of(state, record)))


def _contents_of(state: State, record: Record) -> Iterator[Mapping[str, Json]]:
    yield from record.realised.get("contents", {}).values()
    run = state.find_run(record.address, record.run) if record.run else None
    yield from (output for output in (run.outputs.values() if run else ()) if "md5" in output)


def find_drift(state: State, observation: Observation, config: Config, tree_at: TreeLookup) -> tuple[Drift, ...]:
    """Return all drift of an observation from the live state, with what is done about each."""
    drift: list[Drift] = []
    if observation.unexpected_store:
        remedy = "bring it back, or correct store: in mlgit.yml; until then apply uploads what a run needs"
        message = f"{observation.unexpected_store} is not the store that the live state was written with"
        drift.append(Drift("store", "store-gone", message, remedy))
    for record in monitored_records(state, config):
        drift += _run_drift(state, observation, config, record)
        drift += _run_files_drift(observation, record)
        drift += _content_drift(state, observation, config, record, tree_at)
        drift += _binding_drift(config, record)
        drift += _build_drift(observation, config, record)
        drift += _base_drift(observation, record)
        drift += _location_drift(observation, record)
        drift += _resource_drift(observation, config, record)
    return tuple(drift)


def find_undeclared_drift(records: Iterable[Record], config: Config) -> Iterator[Drift]:
    """Yield what is live and declared by no file, of the records that no plan removes, where it is to be written back.

    With any other policy that is no drift: it is of another branch, and a plan leaves it as it is.
    """
    for record in records:
        if drift_policy_of(config, record.address) is DriftPolicy.WRITE_BACK:
            subject, message = record.address.format_with_version(record.version), "it is live, and no file declares it"
            remedy = _RESOURCE_REMEDIES[DriftPolicy.WRITE_BACK]
            yield Drift(subject, UNDECLARED, message, remedy, DriftPolicy.WRITE_BACK, address=record.address)


def with_drift(plan: Plan, state: State, observation: Observation, config: Config, tree_at: TreeLookup) -> Plan:
    """Return a plan with the drift, and the repairs of what can be repaired and is not changed anyway."""
    all_drift = find_drift(state, observation, config, tree_at)
    changing = {action.address for action in plan.actions if action.op in _VERSION_CHANGING_OPS}
    records = {
        drift.record.address: (drift.record, drift.message)
        for drift in all_drift
        if drift.record and drift.policy is DriftPolicy.REPAIR and drift.record.address not in changing
    }
    repairs = (_repair_action(record, message) for record, message in records.values())
    shown = (str(drift) for drift in all_drift if not drift.local)
    return plan._replace(actions=(*repairs, *plan.actions), drift=(*plan.drift, *shown))


def with_repairs(plan: Plan, approved: Plan) -> Plan:
    """Return a plan that was made without asking the providers, with the repairs of the approved one."""
    planned = {action.key for action in plan.actions}
    repairs = (action for action in approved.actions if action.op is Op.REPAIR and action.key not in planned)
    return plan._replace(actions=(*repairs, *plan.actions))


def _repair_action(record: Record, message: str) -> Action:
    return Action(Op.REPAIR, record.address, version=record.version, record=record, reason=message)


def _run_drift(state: State, observation: Observation, config: Config, record: Record) -> Iterator[Drift]:
    for run in unfinished_runs_of(state, record):
        condition = observation.runs.get(run.id)
        if condition is not None and condition.phase is Phase.GONE:
            cause = f": {condition.message}" if condition.message else ""
            policy, remedy = repair_policy_of(config, record.address), _lost_run_remedy(config, record, run)
            yield Drift(str(record.address), "run-lost", f"run {run.id} was lost{cause}", remedy, policy)
        elif run.status.is_active and not config.has_backend(run.backend):
            message = f"run {run.id} is on the backend {run.backend}, which is no longer in mlgit.yml"
            remedy = f"add it again, or run the job again with `mlgit job rerun {record.address.name}`"
            yield Drift(str(record.address), "backend-gone", message, remedy)


def _run_files_drift(observation: Observation, record: Record) -> Iterator[Drift]:
    """Yield the runs of a job whose files are not on this machine; its outputs are in the store."""
    for run_id in filter(None, dict.fromkeys((record.run, record.latest))):
        if missing := observation.missing_run_files.get(run_id):
            message = f"files of run {run_id} are gone: {missing}"
            rerun = f"`mlgit job rerun {record.address.name}` runs it again"
            remedy = f"`mlgit job show {run_id}` shows what is recorded, {rerun}"
            yield Drift(str(record.address), "run-files-gone", message, remedy, local=True)


def _lost_run_remedy(config: Config, record: Record, run: Run) -> str:
    if run.id != record.latest:
        return "apply records that; it was superseded"
    if run.attempt <= config.retries and repair_policy_of(config, record.address) is DriftPolicy.REPAIR:
        return f"apply runs it again, as attempt {run.attempt + 1} of {config.retries + 1}"
    return f"apply records that; `mlgit job rerun {record.address.name}` runs it again"


def _content_drift(
    state: State, observation: Observation, config: Config, record: Record, tree_at: TreeLookup
) -> Iterator[Drift]:
    keys = content_keys_of(state, record)
    subject = record.address.format_with_version(record.version)
    policy = repair_policy_of(config, record.address)
    if not observation.missing_contents.isdisjoint(keys):
        of_run = f"what run {record.run} made is gone from the store"
        message = of_run if record.run else "its content is gone from the store"
        can_restore = _is_in_git(record, tree_at)
        remedy = _RESTORE_REMEDIES[policy] if can_restore else _rerun_remedy(record)
        yield Drift(subject, "content-gone", message, remedy, policy, record if can_restore else None)
    elif damaged := tuple(dict.fromkeys(path for key in keys for path in observation.damaged_files.get(key, ()))):
        remedy = "then apply restores it from Git" if _is_in_git(record, tree_at) else _rerun_remedy(record)
        message = f"its content in the store is damaged: {', '.join(damaged)}"
        yield Drift(subject, "content-changed", message, f"remove that; {remedy}", policy)


def _is_in_git(record: Record, tree_at: TreeLookup) -> bool:
    """Return True if the content of a record came from Git, and Git still has it."""
    from_git = record.contents and not record.run
    tree = tree_at(str(record.lineage.get("commit", ""))) if from_git else None
    return tree is not None and tree.exists(f"{tree.root}{record.source}")


def _rerun_remedy(record: Record) -> str:
    job = str(record.lineage.get("job", "")).partition("/")[2] or (record.address.name if record.run else "")
    return f"`mlgit job rerun {job}` makes it again" if job else "restore the store"


def _binding_drift(config: Config, record: Record) -> Iterator[Drift]:
    recorded = str(record.realised.get("backend", ""))
    if recorded and recorded not in config.backends:
        backend = config.backend_of(record.address.name)
        remedy = f"apply binds it to {backend}" if backend else "name one for it under compute: in mlgit.yml"
        message = f"it is bound to the backend {recorded}, which is no longer in mlgit.yml"
        yield Drift(str(record.address), "backend-gone", message, remedy)


def _build_drift(observation: Observation, config: Config, record: Record) -> Iterator[Drift]:
    """Yield an environment that is not built on this machine, which builds what its runs need in any case."""
    if kind_by_name(record.address.kind).uses_builder and record.fingerprint in observation.unbuilt_environments:
        is_repaired = drift_policy_of(config, record.address, DriftPolicy.WARN) is DriftPolicy.REPAIR
        policy = DriftPolicy.REPAIR if is_repaired else DriftPolicy.WARN
        remedy = "apply builds it" if is_repaired else "the next run that needs it builds it"
        subject = record.address.format_with_version(record.version)
        yield Drift(subject, "not-built", "it is not built on this machine", remedy, policy, record, local=True)


def _base_drift(observation: Observation, record: Record) -> Iterator[Drift]:
    """Yield an environment whose image has a tag that stands for another image now; builds keep the recorded one."""
    if base := observation.moved_bases.get(record.address):
        message = f"the tag {record.spec.get('image')} has moved since it was built: it is {base} now"
        subject = record.address.format_with_version(record.version)
        yield Drift(subject, "base-moved", message, f"write image: {base} in its file to use that")


def _location_drift(observation: Observation, record: Record) -> Iterator[Drift]:
    """Yield remote data that is not what was registered: runs that need it fail, and nothing here can put it back."""
    pinned = find_location(record)
    if pinned is None or record.address not in observation.moved_locations:
        return
    now = observation.moved_locations[record.address]
    subject, address = record.address.format_with_version(record.version), record.address
    if now is None:
        yield Drift(subject, "data-gone", f"{pinned.uri} is gone; it was {pinned.identity}", "put it back where it was")
    else:
        # The digest of what was registered is known, and that of what is there now only when a run reads it.
        may_be_equal = pinned.identity.size == now.size and bool(record.realised.get("contents"))
        verb = "was written again, its bytes may be the same" if may_be_equal else "has changed"
        message = f"{pinned.uri} {verb}: it was {pinned.identity}, and is now {now}"
        reason = "runs read it as before if its bytes are the same; " if may_be_equal else ""
        remedy = f"`mlgit apply --replace {address}` registers what is there now as a new version; or put back what was"
        yield Drift(subject, "data-changed", message, f"{reason}{remedy}")


def _resource_drift(observation: Observation, config: Config, record: Record) -> Iterator[Drift]:
    """Yield a resource that its provider no longer has, reports as failed, or has with other settings."""
    condition = observation.conditions.get(record.address)
    if condition is None or record.intent is not None:
        return
    policy, subject, address = drift_policy_of(config, record.address), str(record.address), record.address
    cause = f": {condition.message}" if condition.message else ""
    if condition.phase is Phase.FAILED and condition.reason == REFUSED:
        yield Drift(subject, REFUSED_TYPE, f"it cannot be used{cause}", "correct that; nothing needs to be applied")
    elif condition.phase is Phase.FAILED:
        remedy = f"`mlgit apply --replace {record.address}` makes it again"
        yield Drift(subject, "resource-failed", f"its provider reports that it failed{cause}", remedy)
    elif condition.phase is Phase.GONE:
        remedy = _RESOURCE_REMEDIES[policy].format(repair="create it again", repairs="creates it again")
        yield Drift(subject, GONE, f"its provider no longer has it{cause}", remedy, policy, address=address)
    elif settings := find_changed_settings(observed := replace(record, condition=condition)):
        remedy = _RESOURCE_REMEDIES[policy].format(repair="set it back", repairs="sets it back")
        if policy is not DriftPolicy.WRITE_BACK and not are_in_place(record, settings):
            policy, remedy = DriftPolicy.WARN, f"`mlgit apply --replace {record.address}` makes it anew, as declared"
        yield Drift(subject, CHANGED, describe_change(observed, settings), remedy, policy, address=address)
