"""The argument JOB of `mlgit job`: a job by its name, by the last part of it or by its file, or one of its runs.

``cli.session``, which reads the files, is imported by name, for what is not live.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.abbreviation import join_some
from reconciler.diagnostics import UserError, user_error
from reconciler.format.assets import AssetSet
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Run, State
from reconciler.project.state_session import StateSession
from reconciler.source.disk import YAML_SUFFIXES

JOB_KIND = "job"
_MAX_NAMES = 5  # in a message
_RUN_ID = re.compile(r"(?P<job>.+)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs that an argument can name, and the file of each, from the folder of the workspace."""

    addresses: tuple[Address, ...]
    file_of: Callable[[Address], str]

    def named(self, name: str) -> tuple[Address, ...]:
        """Return the job with a name, else those whose names end in it."""
        exact = Address(JOB_KIND, name)
        if exact in self.addresses:
            return (exact,)
        return tuple(address for address in self.addresses if address.name.endswith(f"/{name}"))

    def declared_in(self, files: Iterable[str]) -> tuple[Address, ...]:
        """Return the jobs of the first of some files that has any."""
        jobs_by_file: dict[str, list[Address]] = {}
        for address in self.addresses:
            jobs_by_file.setdefault(self.file_of(address), []).append(address)
        return next((tuple(jobs_by_file[file]) for file in files if file in jobs_by_file), ())


def match_live_job(session: StateSession, state: State, argument: str) -> tuple[Address, Run | None] | None:
    """Return the live job that an argument names, and the run if it names one; None if it names neither.

    Raises UserError ``job-ambiguous``, or ``run-unknown`` if jobs are called so, but none has that run.
    """
    return _match(session, state, _live_jobs(session, state), argument)


def find_live_job(session: StateSession, state: State, argument: str) -> tuple[Address, Run | None]:
    """Return the live job that an argument names, and the run if it names one.

    Raises UserError ``job-unknown``, ``job-ambiguous``, or ``run-unknown`` if it has no run of that name or none yet.
    """
    jobs = _live_jobs(session, state)
    if match := _match(session, state, jobs, argument):
        return match
    if session.workspace.settings_file is not None:  # its jobs are those that have runs
        raise _unknown_error(session, argument, (jobs,))
    opened = importlib.import_module("reconciler.cli.session").open_current_session()
    declared = _declared_jobs(opened.read_assets())
    address = _match_job(session, declared, argument)
    if address is None:
        raise _unknown_error(session, argument, (jobs, declared))
    if address in jobs.addresses:
        return address, None
    hint = f"start one with `mlgit apply`, or with `mlgit job rerun {address.name}`"
    raise user_error("run-unknown", f"{address} has no run yet: it was not applied", hint)


def find_declared_job(session: StateSession, state: State, declared: AssetSet, argument: str) -> Address:
    """Return the declared job that an argument names, itself or by a run.

    Raises UserError as `find_live_job`, ``job-undeclared`` for a job that is only live, and ``step-alone`` for a step.
    """
    declared_jobs, live_jobs = _declared_jobs(declared), _live_jobs(session, state)
    if address := _match_job(session, declared_jobs, argument):
        return address
    match = _match(session, state, live_jobs, argument)
    if match is None:
        _refuse_step(session, state, live_jobs, argument)
        raise _unknown_error(session, argument, (declared_jobs, live_jobs))
    if match[0] not in declared_jobs.addresses:
        hint = f"restore its file, or write it with `mlgit import {match[0]}`"
        raise user_error("job-undeclared", f"{match[0]} is live, but no file declares it", hint)
    return match[0]


def _refuse_step(session: StateSession, state: State, jobs: _Jobs, argument: str) -> None:
    """Raise UserError ``step-alone`` if an argument is RUN/STEP or JOB/STEP."""
    job, _, step = argument.rpartition("/")
    if job and (match := _match(session, state, jobs, job)):
        hint = f"`mlgit job rerun {match[0].name}` runs the whole job, and reuses the steps that have completed"
        raise user_error("step-alone", f"{step} would be a step of {match[0]}: a step cannot be run by itself", hint)


def _match(session: StateSession, state: State, jobs: _Jobs, argument: str) -> tuple[Address, Run | None] | None:
    exact = jobs.named(name := argument.removeprefix(f"{JOB_KIND}/"))
    if not exact and (run_match := _match_run(state, jobs, name)):
        return run_match
    address = _match_job(session, jobs, argument)
    return None if address is None else (address, None)


def _match_job(session: StateSession, jobs: _Jobs, argument: str) -> Address | None:
    """Return the job that an argument names; None if there is none. Raises UserError ``job-ambiguous``."""
    matches = jobs.named(argument.removeprefix(f"{JOB_KIND}/"))
    if not matches and _is_path(argument):
        matches = jobs.declared_in(_workspace_paths(session, argument))
    if len(matches) > 1:
        names = ", ".join(map(str, matches))
        raise user_error("job-ambiguous", f"{argument} can be {names}", "use the name of one of them")
    return matches[0] if matches else None


def _match_run(state: State, jobs: _Jobs, run_id: str) -> tuple[Address, Run] | None:
    """Return the job and the run with an id, also if the job was renamed since; None if it is not the id of a run.

    Raises UserError ``run-unknown`` if jobs are called so, but none has that run.
    """
    pattern = _RUN_ID.fullmatch(run_id)
    if pattern is None:
        return None
    leaf = pattern["job"].rpartition("/")[2]
    named = [address for address in jobs.addresses if address.name.rpartition("/")[2] == leaf]
    renamed = (address for address in jobs.addresses if leaf in _former_leaves(state, address))
    for address in (*named, *renamed):
        if run := state.find_run(address, run_id.rpartition("/")[2]):
            return address, run
    if named:
        message = f"{' and '.join(map(str, named))} {'has' if len(named) == 1 else 'have'} no run {run_id}"
        raise user_error("run-unknown", message, f"run `mlgit job list {named[0].name}` to list its runs")
    return None


def _former_leaves(state: State, address: Address) -> Iterator[str]:
    record = state.current.get(address)
    yield from (former.rpartition("/")[2] for former in record.formerly) if record else ()


def _is_path(argument: str) -> bool:
    return argument.lower().endswith(YAML_SUFFIXES)


def _workspace_paths(session: StateSession, argument: str) -> Iterator[str]:
    """Yield what a path may name in the workspace: from the current folder, then from that of the workspace."""
    folder = session.workspace.folder
    for start in (Path.cwd(), folder):
        path = os.path.normpath(start.resolve() / argument)
        yield Path(os.path.relpath(path, folder)).as_posix()


def _live_jobs(session: StateSession, state: State) -> _Jobs:
    """Return the jobs that are live, and those that have experiments only; an unnamed one is called after its file."""
    live = [address for address in state.current if address.kind == JOB_KIND]
    addresses = tuple(dict.fromkeys((*live, *session.state_store.list_experiments(JOB_KIND))))
    return _Jobs(
        addresses, lambda address: record.source if (record := state.current.get(address)) else f"{address.name}.yml"
    )


def _declared_jobs(declared: AssetSet) -> _Jobs:
    files: Mapping[Address, str] = {
        address: declared.documents[asset.source].path
        for address, asset in declared.assets.items()
        if address.kind == JOB_KIND
    }
    return _Jobs(tuple(sorted(files)), files.__getitem__)


def _unknown_error(session: StateSession, argument: str, all_jobs: tuple[_Jobs, ...]) -> UserError:
    """Return the error for an argument that names neither a job nor a run."""
    if _is_path(argument):
        message = f"{argument} is not the file of a job"
        files = [jobs.file_of(address) for jobs in all_jobs for address in jobs.addresses]
        hint = did_you_mean(next(iter(_workspace_paths(session, argument))), files)
        return user_error("job-unknown", message, hint or "`mlgit list --declared job` lists the jobs with their files")
    names = list(dict.fromkeys(address.name for jobs in all_jobs for address in jobs.addresses))
    leaves = {name.rpartition("/")[2]: name for name in reversed(names)}
    name = argument.removeprefix(f"{JOB_KIND}/")
    hint = did_you_mean(name, [*names, *leaves]) or f"known jobs: {join_some(names, _MAX_NAMES) or 'none'}"
    return user_error("job-unknown", f"there is no job or run {argument}", hint)
