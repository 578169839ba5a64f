"""Refresh: ask backends for unfinished runs, the store for its contents and the builder for what it has built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.config.config import Config
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.run_conditions import poll_run, poll_runs
from reconciler.format.kinds import kind_by_name
from reconciler.model import EMPTY_MAPPING, Address, Condition, Handle, Observation, Phase, Record, Run, State
from reconciler.model.backend import Backend
from reconciler.model.builder import Builder
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import FILES_GONE, Usage
from reconciler.planning.clusters import backend_of_cluster, forget_hint
from reconciler.planning.drift import contents_of, monitored_records
from reconciler.planning.refresh import unfinished_runs
from reconciler.resources import Resource
from reconciler.state.process import host_name


def refresh_runs(state: State, backends: Mapping[str, Backend], store: ObjectStore) -> Observation:
    """Ask each backend, in one call, for its unfinished runs; runs of a backend that is not given stay as recorded.

    So do the runs of a backend that cannot be reached, and all runs if the store cannot be asked, or is not that of the
    state, where each would seem lost.
    """
    runs = [run for run in unfinished_runs(state) if run.backend in backends]  # other machines may have other backends
    try:
        store_id = store.find_id()
    except UserError as error:
        return Observation(unreachable_store=error.diagnostics[0].message)
    if state.store_id not in ("", store_id):
        return Observation(unexpected_store=store.location, unknown_runs=tuple(runs))
    observation = Observation()
    for name in dict.fromkeys(run.backend for run in runs):
        reported, message = _poll_backend(backends[name], [run for run in runs if run.backend == name])
        note = f"the backend {name} cannot be reached: {message}"
        observation = observation._replace(
            runs={**observation.runs, **{run_id: condition for run_id, (_, condition) in reported.items()}},
            handles={**observation.handles, **{run_id: handle for run_id, (handle, _) in reported.items()}},
            unreachable_backends=(*observation.unreachable_backends, note)
            if message
            else observation.unreachable_backends,
            usage=(*observation.usage, *_read_usage(backends[name])),
        )
    return observation


def _read_usage(backend: Backend) -> tuple[Usage, ...]:
    """Return how full a backend is; nothing if it cannot tell, which stops nothing."""
    try:
        return tuple(backend.usage())
    except (Exception, SystemExit):  # noqa: BLE001 - a plug-in may raise anything; why it cannot be asked is shown of its runs
        return ()


def _poll_backend(backend: Backend, runs: Iterable[Run]) -> tuple[Mapping[str, tuple[Handle, Condition]], str]:
    """Return the handles and conditions of runs by id; second, why the backend cannot be asked, "" if it can."""
    try:
        reported = poll_runs(backend, runs)
    except UserError as error:
        return {}, error.diagnostics[0].message
    unknown = (condition.message for _, condition in reported.values() if condition.phase is Phase.UNKNOWN)
    return reported, next(unknown, "")


def refresh_all(  # noqa: PLR0913 - every provider
    state: State,
    config: Config,
    backends: Mapping[str, Backend],
    store: ObjectStore,
    builders: Iterable[Builder],
    *,
    deep: bool = False,
) -> Observation:
    """Refresh runs, the store, and the environments built here; ``deep`` reads every byte of the store in use."""
    records = tuple(monitored_records(state, config))
    fingerprints = {record.fingerprint for record in records if kind_by_name(record.address.kind).uses_builder}
    unbuilt, failed = _find_unbuilt(fingerprints, tuple(builders))
    if not config.has_store(host_name()):
        skipped = f"the store is on {config.store_host}: neither the store nor runs were checked"
        return Observation(unbuilt_environments=unbuilt, skipped_checks=(*failed, skipped), failed_builders=failed)
    contents = {content.digest: content for record in records for content in contents_of(state, record)}
    observation = refresh_runs(state, backends, store)
    observation = observation._replace(unbuilt_environments=unbuilt, failed_builders=failed)
    if observation.unexpected_store:
        return observation
    if observation.unreachable_store:
        skipped = f"{observation.unreachable_store}: neither the store nor runs were checked"
        return observation._replace(skipped_checks=(*failed, skipped))
    observation = _observe_contents(observation, store, contents, deep=deep)
    lost_store = (f"{observation.unreachable_store}: not all contents were checked",)
    return observation._replace(
        missing_run_files=dict(_missing_run_files(state, records, backends)),
        skipped_checks=failed
        + observation.unreachable_backends
        + (lost_store if observation.unreachable_store else ())
        + tuple(
            f"the backend {name} is on {config.backend_host(name)}: its runs were not checked"
            for name in config.backends
            if name not in backends
        ),
    )


def _find_unbuilt(fingerprints: Iterable[str], builders: Sequence[Builder]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return which environments no builder has built; none, with the reason, if a builder cannot tell."""
    try:
        return frozenset(
            fingerprint for fingerprint in fingerprints if not any(builder.find(fingerprint) for builder in builders)
        ), ()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown
        return frozenset(), (f"built environments were not checked: {_reason(error)}",)


def with_bases(observation: Observation, state: State, config: Config, builders: Mapping[str, Builder]) -> Observation:
    """Return an observation with the environments whose image has a tag that stands for another image now.

    A builder is asked only about a recorded build with a base; why one cannot tell is a skipped check.
    """
    moved: dict[Address, str] = {}
    skipped: dict[str, None] = {}
    for record in monitored_records(state, config):
        builds = state.find_builds(record.fingerprint) if kind_by_name(record.address.kind).uses_builder else {}
        for key, build in builds.items():
            builder = builders.get(key.partition(" (")[0])
            if not build.get("base") or builder is None:
                continue
            try:
                base = builder.find_base(record.spec)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown
                skipped[f"tags of images were not checked: {_reason(error)}"] = None
            else:
                moved |= {record.address: base} if base not in ("", build["base"]) else {}
    return observation._replace(
        moved_bases=moved,
        skipped_checks=(*observation.skipped_checks, *skipped),
        failed_builders=(*observation.failed_builders, *skipped),
    )


def with_conditions(
    observation: Observation,
    state: State,
    resources: Mapping[str, Resource],
    clusters: Mapping[str, Resource] = EMPTY_MAPPING,
) -> Observation:
    """Return an observation with the conditions of all resources, each provider asked once.

    The ``resources`` are by kind, the ``clusters`` by the backend that makes them. A provider that cannot be reached or
    fails stops nothing: its resources stand as recorded.
    """
    conditions: dict[Address, Condition] = {}
    skipped: list[str] = []
    made = [record for record in state.current.values() if record.handle is not None]
    by_kind = (
        (kind, resource, [item for item in made if item.address.kind == kind]) for kind, resource in resources.items()
    )
    by_backend = (
        (f"backend {name}", resource, [item for item in made if backend_of_cluster(item) == name])
        for name, resource in clusters.items()
    )
    for kind, resource, records in (*by_kind, *by_backend):
        handles = {record.handle: record.address for record in records if record.handle is not None}
        answers, reason = _read_resources(resource, handles)
        unknown = {handles[handle]: answers[handle].message for handle in answers if _is_unknown(answers[handle])}
        conditions |= {handles[handle]: item for handle, item in answers.items() if not _is_unknown(item)}
        skipped += (_describe_unknown(state, address, message) for address, message in unknown.items() if message)
        remaining = len(handles) - len(answers) + sum(not message for message in unknown.values())
        if remaining:
            skipped.append(f"the provider of {kind} cannot be reached{reason}: {remaining} stand as recorded")
    return observation._replace(conditions=conditions, skipped_checks=(*observation.skipped_checks, *skipped))


def _describe_unknown(state: State, address: Address, message: str) -> str:
    """Return that a resource stands as recorded; of a cluster, also how to go on without it."""
    way_out = f"; {forget_hint(address)}" if backend_of_cluster(state.current[address]) else ""
    return f"{address}: {message}; it stands as recorded{way_out}"


def _read_resources(resource: Resource, handles: Collection[Handle]) -> tuple[Mapping[Handle, Condition], str]:
    """Return the conditions that a provider reports; second, with what it failed, "" if it did not."""
    try:
        answers = resource.read(handles) if handles else {}
        conditions = {handle: answers[handle] for handle in handles if handle in answers}
        known = {
            handle: replace(condition, settings=dict(condition.settings)) for handle, condition in conditions.items()
        }
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown
        return {}, f" ({_reason(error)})"
    return known, ""


def _is_unknown(condition: Condition) -> bool:
    return condition.phase is Phase.UNKNOWN


def _reason(error: BaseException) -> str:
    return error.diagnostics[0].message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _observe_contents(
    observation: Observation, store: ObjectStore, contents: Mapping[str, Content], *, deep: bool
) -> Observation:
    """Return an observation with what the store lacks, or why it cannot be asked."""
    try:
        missing = store.missing(contents)
        damaged = _damaged_files(store, contents.keys() - missing, contents) if deep else {}
    except UserError as error:
        return observation._replace(unreachable_store=error.diagnostics[0].message)
    return observation._replace(missing_contents=missing, damaged_files=damaged)


def _damaged_files(
    store: ObjectStore, digests: Iterable[str], contents: Mapping[str, Content]
) -> Mapping[str, tuple[str, ...]]:
    """Read contents that are present; return by digest where the files are whose bytes are not what was stored."""
    damages = {digest: store.verify(contents[digest], deep=True) for digest in digests}
    return {digest: tuple(damage.location for damage in damaged) for digest, damaged in damages.items() if damaged}


def _missing_run_files(
    state: State, records: Iterable[Record], backends: Mapping[str, Backend]
) -> Iterator[tuple[str, str]]:
    """Yield the current and the newest run of each job that has ended, if files of it are missing, with a path."""
    for record in records:
        for run_id in filter(None, dict.fromkeys((record.run, record.latest))):
            run = state.find_run(record.address, run_id)
            backend = backends.get(run.backend) if run else None
            if run and backend and run.handle and run.started_at and not run.status.is_active:
                condition = poll_run(backend, run)
                if condition.phase is Phase.GONE or condition.reason == FILES_GONE:
                    yield run.id, condition.message


def check_store(observation: Observation) -> None:
    """Raise UserError ``store-other`` if runs are unfinished in another store than the one that was observed."""
    for run in observation.unknown_runs:
        message = f"run {run.id} is {run.status} in another store than the one at {observation.unexpected_store}"
        hint = (
            "make that store available again, or correct store: in mlgit.yml; if it is lost, "
            f"`mlgit job cancel {run.address.name}` gives up its run"
        )
        raise user_error("store-other", message, hint)
