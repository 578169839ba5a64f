"""Run one job file as it lies in the work tree: an experiment beside what is applied (`mlgit run`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.engine.driver.resume import resume_run
from reconciler.engine.experiments import ExperimentContext, refresh_run, submit_experiment
from reconciler.engine.providers import Providers
from reconciler.git.partial_tree import write_partial_tree
from reconciler.model import (
    Blocked,
    BrokenLinkError,
    Event,
    Phase,
    Run,
    RunStatus,
    SourceRevision,
    State,
    Tree,
    TreeEntry,
)
from reconciler.planning.experiment import ExperimentPlan, plan_experiment
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import PlanInputs
from reconciler.project.check import make_desired, report_diagnostics
from reconciler.project.job_file import JobFile, load_job_file
from reconciler.project.known_states import register_state
from reconciler.project.providers import open_providers
from reconciler.project.prune_experiments import RUN_COMMIT_MESSAGE
from reconciler.project.record_experiment import record_ended_experiment
from reconciler.project.session import Session
from reconciler.source.gc_pause import pause_gc
from reconciler.state.history import format_trailers
from reconciler.state.process import host_name, user_name

_USABLE_PHASES = frozenset({Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED, Phase.UNKNOWN})


class RunOptions(NamedTuple):
    """What `mlgit run` is asked to do: the file from the top of the repository, and its options."""

    path: str
    name: str = ""
    overrides: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class PreparedExperiment:
    """An experiment that can be run: its plan, the run that it is or was, and how that is to be used.

    ``is_new`` is True if the run is to be submitted, False for one that was submitted before. ``previous`` is the last
    attempt before a new one. ``unrecorded`` are the attempts that have ended and whose end is not recorded.
    """

    session: Session
    options: RunOptions
    state: State
    providers: Providers
    job: JobFile
    plan: ExperimentPlan
    run: Run
    is_new: bool
    previous: Run | None = None
    unrecorded: tuple[Run, ...] = ()


@pause_gc()
def prepare_experiment(session: Session, options: RunOptions) -> PreparedExperiment:
    """Load a job file, plan the job, and find the run that it had as it is now, if any. Nothing is changed.

    Raises UserError for whatever prevents the run, at its place in the files.
    """
    state = session.fetch_and_read_state()
    job = load_job_file(session, state, options.path, options.name, options.overrides)
    desired = make_desired(session, job.declared, state)
    plan = plan_experiment(PlanInputs(desired, state, PlanOptions(session.config)), job.address)
    if plan.blocked:
        report_diagnostics(session, (*plan.diagnostics, *plan.blocked.refusals))
        raise _blocked_error(job, plan.blocked)
    _check_host(session.config, plan.make_run(1).backend)
    providers = open_providers(session)
    choice = _choose_run(providers, plan, again=options.again)
    report_diagnostics(session, _diagnostics_on_this_machine(plan.diagnostics) if choice.is_new else plan.diagnostics)
    return PreparedExperiment(session, options, state, providers, job, plan, *choice)


def _diagnostics_on_this_machine(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return diagnostics for a run that is built here and now: what this machine cannot build is an error."""
    return [item._replace(severity=Severity.ERROR) if item.code == "python-not-found" else item for item in diagnostics]


def _check_host(config: Config, backend: str) -> None:
    """Raise UserError ``backend-elsewhere`` if only another machine can run something on a backend."""
    host = config.backend_host(backend)
    if host not in ("", host_name()):
        message = f"the backend {backend} is on {host} only, and this is {host_name()}"
        raise user_error("backend-elsewhere", message, f"run this command on {host}")


def _blocked_error(job: JobFile, blocked: Blocked) -> UserError:
    """Return the error for a job that cannot be run, at its file."""
    document = job.declared.documents[job.declared.assets[job.address].source]
    subject = "" if blocked.address == job.address else f"{blocked.address} "
    message = f"{job.address} cannot be run: {subject}{blocked.message}"
    hint = "`mlgit status` shows what it waits for; `mlgit apply --wait` runs all of it"
    return user_error("run-refused", message, hint, document.key_span(""))


class _Choice(NamedTuple):
    """The run to show or to submit, whether it is to be submitted, and the last attempt before it, if there is one.

    ``unrecorded`` are the attempts that have ended and whose end is not recorded.
    """

    run: Run
    is_new: bool
    previous: Run | None = None
    unrecorded: tuple[Run, ...] = ()


def _choose_run(providers: Providers, plan: ExperimentPlan, *, again: bool) -> _Choice:
    attempts = [_refreshed(providers, run) for run in plan.attempts]
    unrecorded = tuple(
        run
        for recorded, run in zip(plan.attempts, attempts, strict=True)
        if recorded.experiment and recorded.is_unfinished and not run.status.is_active
    )
    last = attempts[-1] if attempts else None
    if last and last.status is RunStatus.INTENDED and last.handle is None:
        return _Choice(plan.make_run(last.attempt), True)  # its submission was cut off, or is under way
    if last and not again:
        completed = (run for run in reversed(attempts) if run.status is RunStatus.COMPLETED)
        if run := next((run for run in attempts if run.status.is_active), None) or next(completed, None):
            return _Choice(run, False, None, unrecorded)
    run = _next_attempt(providers, plan, (last.attempt if last else 0) + 1, again=again)
    return _Choice(run, True, last, unrecorded)


def _refreshed(providers: Providers, run: Run) -> Run:
    return refresh_run(providers, run) if run.is_unfinished and run.backend in providers.backends else run


def _next_attempt(providers: Providers, plan: ExperimentPlan, attempt: int, *, again: bool) -> Run:
    """Return the first attempt from a number on that its backend does not have, of a record that was removed since.

    One that goes on, or has completed, is the run that is asked for, unless it is to be run ``again``.
    """
    while True:
        run = plan.make_run(attempt)
        backend = providers.backend(run.backend)
        if (handle := backend.find(run.token)) is None:
            return run
        phase = backend.poll([handle])[handle].phase
        if not again and phase in _USABLE_PHASES:
            return run
        attempt += 1


@pause_gc()
def start_experiment(prepared: PreparedExperiment, emit: Callable[[Event], None]) -> PreparedExperiment:
    """Submit the run of an experiment, unless it was submitted before; return it with the run as it is recorded.

    The ends of earlier attempts are recorded first. If another command has submitted it meanwhile, that run is used.
    """
    session = prepared.session
    recorded = {
        run.id: record_ended_experiment(session, run, prepared.providers.backends) for run in prepared.unrecorded
    }
    if not prepared.is_new:
        return replace(prepared, run=recorded.get(prepared.run.id, prepared.run))
    state = session.state_store.read() if recorded else prepared.state
    try:
        source, trailers = _store_source(session, prepared.job), format_trailers(user_name())
        context = ExperimentContext(prepared.providers, session.tree, source, trailers, emit)
        run = submit_experiment(
            context, state, prepared.plan.needed, prepared.plan.make_submission(prepared.run), prepared.run
        )
        register_state(session, prepared.providers.store)
    except UserError as error:
        if error.diagnostics[0].code != "state-conflict":
            raise
        return start_experiment(prepare_experiment(session, prepared.options._replace(again=False)), emit)
    return replace(prepared, run=run)


def is_submitted(prepared: PreparedExperiment) -> bool:
    """Return True if the backend has the run of an experiment."""
    return prepared.providers.backend(prepared.run.backend).find(prepared.run.token) is not None


def stop_builds(prepared: PreparedExperiment) -> None:
    """End the processes of builds that were interrupted."""
    for builder in prepared.providers.builders.values():
        builder.stop()


def refresh_experiment(prepared: PreparedExperiment) -> Run:
    """Return the run of an experiment as its backend reports it; a pipeline that has no driver gets one."""
    resume_run(prepared.providers.backends, prepared.run)
    return _refreshed(prepared.providers, prepared.run)


def _store_source(session: Session, job: JobFile) -> SourceRevision:
    """Keep the files that a run reads reachable: the commit that is checked out or, if it has others, one of these."""
    source, repository = session.source, session.workspace.repository
    if source.dirty:
        tree = write_partial_tree(repository, _files_of_run(session.tree, job))
        source = source._replace(snapshot_commit=repository.commit_tree(tree, source.commit, RUN_COMMIT_MESSAGE))
    session.state_store.pin_source_commit(source.effective_commit)
    return source


def _files_of_run(tree: Tree, job: JobFile) -> dict[str, TreeEntry]:
    """Return the files that a run reads: those of the job and of what it refers to, and what is behind their paths."""
    paths = {tree.root + CONFIG_FILE, *job.files}
    for asset in job.declared.assets.values():
        paths |= {path for local in asset.paths for path in _paths_at(tree, local.path)}
    for path in tuple(paths):
        with suppress(BrokenLinkError):
            paths.add(tree.real_path(path))
    return {path: entry for path in sorted(paths) if (entry := tree.entries.get(path))}


def _paths_at(tree: Tree, path: str) -> Iterator[str]:
    yield path
    with suppress(BrokenLinkError):
        yield from (file for file, _ in tree.entries_below(tree.real_path(path)))
