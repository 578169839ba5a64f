"""The steps of one run. Exit codes: 0 completed, 1 not completed, 75 another runner has the run's token."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from .apart import execute_apart
from .artifacts import collect_artifacts, make_working_folders
from .command import substitute_expressions
from .descendants import INSTANCE_VARIABLE, kill_marked
from .distribution import RANK_OPTION, RAY_TEMPORARY_FILE
from .environment import command_variables
from .files import reserve_token, write_json_atomically
from .layer import layered_environment
from .locks import release_locks
from .modules import load_module
from .monitor import RunMonitor
from .process import JobPart, execute_command
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
from .tracking import open_tracking
from .workdir import output_sizes, prepare_workdir

EXIT_DUPLICATE = 75
_ARGUMENT_COUNT = 2
_APART_OPTION = "--apart"  # in a session of its own, which a scheduler does not kill
_END_OPTION = "--end"  # the processes of a run whose runner was killed, by its folder
# One of several instances on different machines, started together: NAME NUMBER ADDRESS PROCESS, as `Launch` has them.
# The second is in a session of its own until the standard input ends, the third until the process that a scheduler
# knows is killed; the last ends what its runner has left.
_INSTANCE_OPTIONS = ("--instance", "--apart-instance", "--step", "--end-instance")
_LAUNCH_LENGTH = 4
_RAY_OPTION = "--ray"  # all instances on nodes of Ray, with what each one asks for
_OpenOthers = Callable[[RunSpec, RunMonitor], AbstractContextManager[Any]]


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
        # Loaded before the run: who removes the file of the runner meanwhile keeps no other run from its slot.
        next_run = load_module("next_run") if spec.queue or spec.device_folder else None
        try:
            exit_code = _supervise_container(spec) if spec.container else _reserve_and_execute(spec)
        except Exception:  # noqa: BLE001 - the run is lost, but those that wait for its slot are not
            sys.excepthook(*sys.exc_info())
            exit_code = 1
        release_locks((spec.alive_fd, *spec.slot_fds))
        spec_file = next_run.start_next(spec) if next_run else None
    return exit_code


def _execute_option(arguments: Sequence[str]) -> int | None:
    """Return the exit code of what an option asks for, None if there is none."""
    match arguments:
        case [option, file] if option == _APART_OPTION:
            return _with_spec(file, lambda spec: execute_apart(spec.folder, lambda: _reserve_and_execute(spec)))
        case [option, folder] if option == _END_OPTION:
            return _end_run(Path(folder))
        case [option, folder] if option == RANK_OPTION:
            return int(load_module("mpi_rank").execute_rank(Path(folder)))
        case [option, resources, file] if option == _RAY_OPTION:
            become, runner = load_module("ray_driver").become_driver, (sys.executable, "-I", "-S", sys.argv[0])
            return _with_spec(file, lambda spec: become(spec, Path(file), runner, resources))
        case [option, *words, file] if option in _INSTANCE_OPTIONS and len(words) == _LAUNCH_LENGTH:
            execute = load_module("instance_start").execute_option
            return _with_spec(file, lambda spec: execute(option, words, spec, _reserve_and_execute))
        case _:
            return None


def _with_spec(file: str, act: Callable[[RunSpec], int]) -> int:
    try:
        spec = read_spec(Path(file))
    except SpecError as error:
        return _print_error(str(error), 1)
    return act(spec)


def _supervise_container(spec: RunSpec) -> int:
    return int(load_module("container").supervise_container(spec, spec.container))


def _has_no_others(_spec: RunSpec, _monitor: RunMonitor) -> AbstractContextManager[None]:
    return nullcontext()


def _end_run(folder: Path) -> int:
    load_module("instances").request_stop(folder)
    is_ended = kill_marked(folder)
    if (folder / RAY_TEMPORARY_FILE).exists():
        load_module("ray_cluster").remove_ray_folder(folder)
    return 0 if is_ended else 1


def _reserve_and_execute(spec: RunSpec, open_others: _OpenOthers = _has_no_others) -> int:
    """Execute a run; ``open_others`` are its instances on other machines."""
    monitor = RunMonitor(spec.folder)
    monitor.install_signal_handlers()
    try:
        reserve_token(spec.token_file, spec.run)
    except FileExistsError:
        return _print_error("duplicate: another runner has the token of this run", EXIT_DUPLICATE)
    except OSError as error:
        return _print_error(f"the token of the run could not be reserved: {error}", 1)
    return _execute_run(spec, monitor, open_others)


def _execute_run(spec: RunSpec, monitor: RunMonitor, open_others: _OpenOthers) -> int:
    started = utc_timestamp()
    tracked = TrackedValues()
    try:
        _create_log_files(spec)
        with open_others(spec, monitor) as others:
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
    parallel = load_module("parallel_step") if spec.parallel else None
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
