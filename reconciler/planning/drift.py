"""The world beside what is recorded: what has gone from it, what apply does about that, and what mlgit.yml wants.

What is declared and not applied yet is no drift, nor is a run that ended by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from reconciler.config.config import Config
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Action, Address, Observation, Op, Plan, Record, Run, RunStatus, State, Tree
from reconciler.planning.refresh import unfinished_runs_of

TreeLookup = Callable[[str], Tree | None]  # gives the tree of a commit, where Git still has it


class DriftPolicy(StrEnum):
    """What is done about drift: mend it, show it, do not look."""

    REPAIR = "repair"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not in the world as it is recorded.

    ``subject`` names it for a person; ``remedy`` is what apply does, or what is to be done; ``record`` is there where
    an action of apply mends it; what is ``local`` is missing on this machine alone, where it may never have been.
    """

    subject: str
    drift_type: str
    message: str
    remedy: str
    policy: DriftPolicy = DriftPolicy.WARN
    record: Record | None = None
    local: bool = False

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}; {self.remedy}"


def drift_policy_of(config: Config, address: Address, otherwise: DriftPolicy = DriftPolicy.REPAIR) -> DriftPolicy:
    """Return what is done about drift of an asset: as its kind, or the longest glob that matches, says."""
    said = [glob for glob in config.drift if glob == address.kind or fnmatchcase(str(address), glob)]
    return DriftPolicy(config.drift[max(said, key=len)]) if said else otherwise


def monitored_records(live: State, config: Config) -> Iterator[Record]:
    """Yield what is looked at: all that is live, but for what mlgit.yml has ignored."""
    for record in live.current.values():
        if (
            not record.archived
            and record.address.kind in kinds()
            and drift_policy_of(config, record.address) != DriftPolicy.IGNORE
        ):
            yield record


def content_keys_of(live: State, record: Record) -> tuple[str, ...]:
    """Return the keys of what the store holds for a record: its own content, or what its current run made."""
    run = live.find_run(record.address, record.run) if record.run else None
    made = (output["md5"] for output in run.outputs.values() if "md5" in output) if run else ()
    return tuple(dict.fromkeys((*own_content_keys_of(record), *made)))


def own_content_keys_of(record: Record) -> tuple[str, ...]:
    """Return the keys of the content that was put into the store for a version."""
    return tuple(dict.fromkeys(each["md5"] for each in record.realised.get("contents", {}).values()))


def find_drift(live: State, seen: Observation, config: Config, at: TreeLookup) -> tuple[Drift, ...]:
    """Return everything that was seen to have gone from the world, each with what is done about it."""
    found: list[Drift] = []
    if seen.unexpected_store:
        remedy = "bring it back, or correct store: in mlgit.yml; until then apply puts there what a run needs"
        message = f"the one that the live state was written with is not at {seen.unexpected_store}"
        found.append(Drift("store", "store-gone", message, remedy))
    for record in monitored_records(live, config):
        found += _run_drift(live, seen, config, record)
        found += _content_drift(live, seen, config, record, at)
        found += _binding_drift(config, record)
        found += _build_drift(seen, config, record)
    return tuple(found)


def with_drift(plan: Plan, live: State, seen: Observation, config: Config, at: TreeLookup) -> Plan:
    """Add to a plan what has drifted, and the actions that mend what can be mended and is not changed anyway."""
    found = find_drift(live, seen, config, at)
    busy = {action.address for action in plan.actions if action.op in _VERSION_CHANGING_OPS}
    mended = (
        drift
        for drift in found
        if drift.record and drift.policy is DriftPolicy.REPAIR and drift.record.address not in busy
    )
    heals = {action.key: action for action in map(_repair_action, mended)}
    return replace(
        plan,
        actions=(*heals.values(), *plan.actions),
        drift=(*plan.drift, *(str(drift) for drift in found if not drift.local)),
    )


_VERSION_CHANGING_OPS = (
    Op.NEW_VERSION,
    Op.REGISTER,
    Op.ADOPT,
    Op.ARCHIVE,
    Op.DELETE,
)  # another version counts, or none


def with_repairs(plan: Plan, approved: Plan) -> Plan:
    """Put the healing that was approved into a plan that was made without another look at the whole world."""
    known = {action.key for action in plan.actions}
    heals = (action for action in approved.actions if action.op is Op.REPAIR and action.key not in known)
    return replace(plan, actions=(*heals, *plan.actions))


def _repair_action(drift: Drift) -> Action:
    record = drift.record
    if record is None:
        raise AssertionError(drift)
    return Action(Op.REPAIR, record.address, version=record.version, record=record, reason=drift.message)


def _run_drift(live: State, seen: Observation, config: Config, record: Record) -> Iterator[Drift]:
    for run in unfinished_runs_of(live, record):
        report = seen.runs.get(run.id)
        if report is not None and report.status is RunStatus.LOST:
            said = f": {report.message}" if report.message else ""
            way, remedy = drift_policy_of(config, record.address), _lost_run_remedy(config, record, run)
            yield Drift(str(record.address), "run-lost", f"run {run.id} was lost{said}", remedy, way)
        elif run.status.is_active and run.backend not in config.backends:
            message = f"run {run.id} is on the backend {run.backend}, which mlgit.yml does not name any more"
            remedy = f"put it back, or run the job anew with `mlgit job rerun {record.address.name}`"
            yield Drift(str(record.address), "backend-gone", message, remedy)


def _lost_run_remedy(config: Config, record: Record, run: Run) -> str:
    if run.id != record.latest:
        return "apply records that; it was superseded"
    if run.attempt <= config.retries and drift_policy_of(config, record.address) is DriftPolicy.REPAIR:
        return f"apply runs it again, as attempt {run.attempt + 1} of {config.retries + 1}"
    return f"apply records that; `mlgit job rerun {record.address.name}` runs it again"


def _content_drift(live: State, seen: Observation, config: Config, record: Record, at: TreeLookup) -> Iterator[Drift]:
    keys = content_keys_of(live, record)
    subject, way = str(record.address.format_with_version(record.version)), drift_policy_of(config, record.address)
    if not seen.missing_contents.isdisjoint(keys):
        message = f"what run {record.run} made is gone from the store" if record.run else _CONTENT_GONE_MESSAGE
        mends = _is_in_git(record, at)
        remedy = _RESTORE_REMEDIES[way] if mends else _rerun_remedy(record)
        yield Drift(subject, "content-gone", message, remedy, way, record if mends else None)
    elif wrong := tuple(dict.fromkeys(path for key in keys for path in seen.damaged_files.get(key, ()))):
        after = "then apply puts it again, from Git" if _is_in_git(record, at) else _rerun_remedy(record)
        message = f"its content in the store is not what was put there: {', '.join(wrong)}"
        yield Drift(subject, "content-changed", message, f"remove that; {after}", way)


_CONTENT_GONE_MESSAGE = "its content is gone from the store"
_RESTORE_REMEDIES = {
    DriftPolicy.REPAIR: "apply puts it again, from Git",
    DriftPolicy.WARN: "drift: repair in mlgit.yml lets apply put it again, from Git",
}


def _is_in_git(record: Record, at: TreeLookup) -> bool:
    """Tell whether what was put into the store can be put there again: it came from Git, and Git still has it."""
    from_git = record.contents and not record.run
    then = at(str(record.lineage.get("commit", ""))) if from_git else None
    return then is not None and then.exists(f"{then.root}{record.source}")


def _rerun_remedy(record: Record) -> str:
    job = str(record.lineage.get("job", "")).partition("/")[2] or (record.address.name if record.run else "")
    return f"`mlgit job rerun {job}` makes it again" if job else "bring the store back"


def _binding_drift(config: Config, record: Record) -> Iterator[Drift]:
    bound = str(record.realised.get("backend", ""))
    if bound and bound not in config.backends:
        now = config.backend_of(record.address.name)
        remedy = f"apply binds it to {now}" if now else "name one for it under compute: in mlgit.yml"
        message = f"it is bound to the backend {bound}, which mlgit.yml does not name any more"
        yield Drift(str(record.address), "backend-gone", message, remedy)


def _build_drift(seen: Observation, config: Config, record: Record) -> Iterator[Drift]:
    """Yield what is not built here: no drift of what is declared, for a machine builds what its runs need."""
    if kind_by_name(record.address.kind).uses_builder and record.fingerprint in seen.unbuilt_environments:
        way = drift_policy_of(config, record.address, DriftPolicy.WARN)
        remedy = "apply builds it" if way is DriftPolicy.REPAIR else "the next run that needs it builds it"
        subject = str(record.address.format_with_version(record.version))
        yield Drift(subject, "not-built", "it is not built on this machine", remedy, way, record, local=True)


def count_drift(found: Iterable[Drift]) -> int:
    """Count what is drift of what is recorded, whichever machine looks."""
    return sum(not drift.local for drift in found)
