"""The steps of one run. Exit codes: 0 completed, 1 not completed, 75 another runner has the run's token."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from .apart import end_killed_run, execute_apart
from .artifacts import collect_artifacts, make_working_folders
from .command import substitute_expressions
from .container import supervise_container
from .descendants import kill_marked
from .environment import command_variables
from .files import reserve_token, write_json_atomically
from .instances import INSTANCE_VARIABLE, Launch, note_lost, request_stop
from .layer import layered_environment
from .locks import release_locks
from .monitor import RunMonitor
from .mpi import RANK_OPTION
from .process import JobPart, execute_command
from .queue import start_queued, waiting_queues
from .ray_cluster import remove_ray_folder
from .result import (
    LOG_FILE,
    LOST_FILE,
    METRICS_FILE,
    CommandOutcome,
    Failure,
    FinalStatus,
    RunCanceledError,
    RunFailedError,
    RunLostError,
    TrackedValues,
    make_result_document,
    reserve_result,
    utc_timestamp,
    write_result,
)
from .spec import RunSpec, SpecError, read_spec
from .supervisors import fork_or_spawn_supervisor
from .tracking import open_tracking
from .workdir import output_sizes, prepare_workdir

EXIT_DUPLICATE = 75
_ARGUMENT_COUNT = 2
_APART_OPTION = "--apart"  # in a session of its own, which a scheduler does not kill
_END_OPTION = "--end"  # the processes of a run whose runner was killed, by its folder
# One of several instances on different machines, started together: NAME NUMBER ADDRESS PROCESS, as `Launch` has them.
_INSTANCE_OPTION, _END_INSTANCE_OPTION = "--instance", "--end-instance"
_APART_INSTANCE_OPTION = "--apart-instance"  # the same in a session of its own, until the standard input ends
_INSTANCE_OPTIONS = (_INSTANCE_OPTION, _APART_INSTANCE_OPTION, _END_INSTANCE_OPTION)
_RAY_OPTION = "--ray"  # all instances on nodes of Ray, with what each one asks for


def main() -> int:
    """Execute the run that spec.json (the one argument) describes, write its result.json, and start the next ones.

    With ``--apart`` before it, execute it apart from this process, and start none.
    With ``--end`` and the folder of a run, end the processes of it that a killed runner has left.
    With ``--instance`` and what is known of it, execute one of the instances of the run that are on several machines,
    and with ``--end-instance`` end what its killed runner has left. With ``--ray``, start all instances on nodes of a
    Ray cluster.
    """
    os.umask(0o077)  # a spec, a log or an output can hold a secret; the command inherits this
    if (option_code := _execute_option(sys.argv[1:])) is not None:
        return option_code
    if len(sys.argv) != _ARGUMENT_COUNT:
        return _print_error("usage: runner.pyz SPEC.JSON", 2)
    spec_file: Path | None = Path(sys.argv[1])
    exit_code = 0
    while spec_file is not None:
        try:
            spec = read_spec(spec_file)
        except SpecError as error:
            return _print_error(str(error), 1)
        try:
            exit_code = supervise_container(spec, spec.container) if spec.container else _reserve_and_execute(spec)
        except Exception:  # noqa: BLE001 - the run is lost, but those that wait for its slot are not
            sys.excepthook(*sys.exc_info())
            exit_code = 1
        spec_file = _start_next(spec)
    return exit_code


def _execute_option(arguments: Sequence[str]) -> int | None:
    """Return the exit code of what an option asks for, None if there is none."""
    match arguments:
        case [option, file] if option == _APART_OPTION:
            return _execute_apart(Path(file))
        case [option, folder] if option == _END_OPTION:
            return _end_run(Path(folder))
        case [option, folder] if option == RANK_OPTION:
            execute: Callable[[Path], int] = importlib.import_module(".mpi_rank", __package__).execute_rank
            return execute(Path(folder))
        case [option, resources, file] if option == _RAY_OPTION:
            return _execute_on_ray(resources, Path(file))
        case [option, _, _, _, _, _] if option in _INSTANCE_OPTIONS:
            return _execute_instance(arguments)
        case _:
            return None


def _execute_apart(spec_file: Path) -> int:
    try:
        spec = read_spec(spec_file)
    except SpecError as error:
        return _print_error(str(error), 1)
    return execute_apart(spec.folder, lambda: _reserve_and_execute(spec))


def _execute_instance(arguments: Sequence[str]) -> int:
    option, name, number, address, launcher, spec_file = arguments
    try:
        spec = read_spec(Path(spec_file))
    except SpecError as error:
        return _print_error(str(error), 1)
    launch = Launch(name, int(number), address, int(launcher))
    execute = partial(_lead_or_follow, spec, launch)
    if option == _END_INSTANCE_OPTION:
        _end_instance(spec, launch)
        return 0
    if option == _APART_INSTANCE_OPTION:
        return execute_apart(spec.folder, execute, partial(_end_instance, spec, launch), has_lease_input=True)
    return execute()


def _lead_or_follow(spec: RunSpec, launch: Launch) -> int:
    if launch.number:
        follow: Callable[[RunSpec, Launch], int] = importlib.import_module(".follower", __package__).follow
        return follow(spec, launch)
    return _reserve_and_execute(spec, launch)


def _end_run(folder: Path) -> int:
    request_stop(folder)
    is_ended = kill_marked(folder)
    remove_ray_folder(folder)
    return 0 if is_ended else 1


def _end_instance(spec: RunSpec, launch: Launch) -> None:
    """End what the killed runner of an instance has left; without the first one, the others are to stop."""
    kill_marked(spec.folder, f"{INSTANCE_VARIABLE}={launch.number}")
    if launch.number:
        remove_ray_folder(launch.folder(spec.folder))
        note_lost(spec.folder, launch)
    else:
        request_stop(spec.folder)
        end_killed_run(spec.folder)


def _execute_on_ray(resources: str, spec_file: Path) -> int:
    try:
        spec = read_spec(spec_file)
    except SpecError as error:
        return _print_error(str(error), 1)
    runner = (sys.executable, "-I", "-S", sys.argv[0])
    become: Callable[..., int] = importlib.import_module(".ray_driver", __package__).become_driver
    return become(spec, spec_file, runner, resources)


def _start_next(spec: RunSpec) -> Path | None:
    """Release what the run had and start those that wait for it; return a spec in the process that is to execute it."""
    release_locks((spec.alive_fd, *spec.slot_fds))
    queues = [*waiting_queues(spec.device_folder)] if spec.device_folder else []
    for queue in dict.fromkeys([*queues, *([spec.queue] if spec.queue else [])]):
        try:
            run = start_queued(queue, fork_or_spawn_supervisor)
        except OSError as error:  # any command that asks for a run of the queue tries it again
            _print_error(f"the next runs of {queue} could not be started: {error}", 1)
        else:
            if run is not None:
                return Path(run.command[-1])
    return None


def _reserve_and_execute(spec: RunSpec, launch: Launch | None = None) -> int:
    monitor = RunMonitor(spec.folder)
    monitor.install_signal_handlers()
    try:
        reserve_token(spec.token_file, spec.run)
    except FileExistsError:
        return _print_error("duplicate: another runner has the token of this run", EXIT_DUPLICATE)
    except OSError as error:
        return _print_error(f"the token of the run could not be reserved: {error}", 1)
    return _execute_run(spec, monitor, launch)


def _execute_run(spec: RunSpec, monitor: RunMonitor, launch: Launch | None) -> int:
    started = utc_timestamp()
    tracked = TrackedValues()
    try:
        _create_log_files(spec)
        leader = importlib.import_module(".leader", __package__) if launch else None
        with leader.Leader(spec, launch, monitor) if leader else nullcontext() as others:
            outcome, tracked = _stage_and_execute(spec, monitor, others)
    except RunLostError as error:
        write_json_atomically(spec.folder / LOST_FILE, {"message": str(error)})
        return 1
    except RunCanceledError:
        outcome = CommandOutcome(FinalStatus.CANCELED)
    except RunFailedError as error:
        outcome = CommandOutcome(FinalStatus.FAILED, error.failure)
    except Exception as error:  # noqa: BLE001 - an error of the runner needs a result too: a run without one is lost
        sys.excepthook(*sys.exc_info())  # as a traceback, whose module is slow to load
        outcome = CommandOutcome(
            FinalStatus.FAILED, Failure("engine", f"the runner failed: {type(error).__name__}: {error}")
        )
    _collect_artifacts(spec, tracked.models)
    write_result(spec.folder, make_result_document(spec, outcome, started, tracked, output_sizes(spec)))
    return 0 if outcome.status is FinalStatus.COMPLETED else 1


def _stage_and_execute(spec: RunSpec, monitor: RunMonitor, others: Any) -> tuple[CommandOutcome, TrackedValues]:
    """Return the outcome of a run and what it has logged; the ``others`` are its instances on other machines."""
    workdir = prepare_workdir(spec, monitor.heartbeat)
    make_working_folders(workdir.code_folder)
    command = substitute_expressions(spec.command, workdir.values)
    parallel = importlib.import_module(".parallel_step", __package__) if spec.parallel else None
    if parallel:
        command = parallel.prepare_parallel_step(spec, command, workdir.values)
    with layered_environment(spec) as layered, open_tracking(spec) as tracking:
        variables = command_variables(os.environ, layered, tracking.variables, workdir.values)
        part: JobPart | None = others.start(command, layered, workdir.values) if others else None
        if part:
            variables[INSTANCE_VARIABLE] = "0"
        outcome = execute_command(command, workdir.code_folder, variables, spec, monitor, part)
        outcome = parallel.explain_parallel_failure(spec, outcome) if parallel else outcome
        outcome = others.finish(outcome) if others else outcome
        tracked = tracking.finish(outcome.status)
        return outcome, others.add_tracked(tracked) if others else tracked


def _collect_artifacts(spec: RunSpec, models: Mapping[str, str]) -> None:
    try:
        collect_artifacts(spec, models)
    except OSError as error:  # the outcome of the run is what counts
        sys.stderr.write(f"not all of ./outputs and ./logs could be kept: {error}\n")


def _create_log_files(spec: RunSpec) -> None:
    """Create the files that may be read at any time, and keep the backend's lock out of the command."""
    if spec.alive_fd is not None:
        os.set_inheritable(spec.alive_fd, False)
    (spec.folder / LOG_FILE).parent.mkdir(parents=True, exist_ok=True)
    (spec.folder / LOG_FILE).touch()
    (spec.folder / METRICS_FILE).touch()
    reserve_result(spec.folder)


def _print_error(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code
