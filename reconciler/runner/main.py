"""The sequence of one run. Exit codes: 0 completed, 1 not, 75 the run's token is taken: another runner has it."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from .command import substitute_expressions
from .environment import command_variables
from .files import reserve_token, write_json_atomically
from .process import RunMonitor, execute_command
from .result import (
    LOG_FILE,
    METRICS_FILE,
    RESULT_FILE,
    CommandOutcome,
    Failure,
    FinalStatus,
    RunCanceledError,
    RunFailedError,
    TrackedValues,
    make_result_document,
    utc_timestamp,
)
from .spec import RunSpec, SpecError, read_spec
from .tracking import open_tracking
from .workdir import output_sizes, prepare_workdir

EXIT_DUPLICATE = 75
_ARGUMENT_COUNT = 2


def main() -> int:
    """Do the run that spec.json (the one argument) describes, and write its one result.json."""
    if len(sys.argv) != _ARGUMENT_COUNT:
        return _print_error("say which run: runner.pyz SPEC.JSON", 2)
    try:
        spec = read_spec(Path(sys.argv[1]))
        watch = RunMonitor(spec.folder)
        watch.install_signal_handlers()
        reserve_token(spec.token_file, spec.run)
    except SpecError as error:
        return _print_error(str(error), 1)
    except FileExistsError:
        return _print_error("duplicate: another runner has this run's token", EXIT_DUPLICATE)
    except OSError as error:
        return _print_error(f"the run's token could not be claimed: {error}", 1)
    return _execute_run(spec, watch)


def _execute_run(spec: RunSpec, watch: RunMonitor) -> int:
    started = utc_timestamp()
    tracked = TrackedValues()
    try:
        _create_log_files(spec)
        staged = prepare_workdir(spec, watch.heartbeat)
        command = substitute_expressions(spec.command, staged.values)
        with open_tracking(spec) as tracking:
            variables = command_variables(os.environ, spec, tracking.variables)
            outcome = execute_command(command, staged.code_folder, variables, spec, watch)
            tracked = tracking.finish(outcome.status)
    except RunCanceledError:
        outcome = CommandOutcome(FinalStatus.CANCELED)
    except RunFailedError as error:
        outcome = CommandOutcome(FinalStatus.FAILED, error.failure)
    except Exception as error:  # noqa: BLE001 - the runner's own fault is a result too: a run without one is lost
        sys.stderr.write(traceback.format_exc())
        outcome = CommandOutcome(
            FinalStatus.FAILED, Failure("engine", f"the runner failed: {type(error).__name__}: {error}")
        )
    write_json_atomically(
        spec.folder / RESULT_FILE, make_result_document(spec, outcome, started, tracked, output_sizes(spec))
    )
    return 0 if outcome.status is FinalStatus.COMPLETED else 1


def _create_log_files(spec: RunSpec) -> None:
    """Make the files that a reader may ask for at any time, and keep the backend's lock to this process."""
    if spec.alive_fd is not None:
        os.set_inheritable(spec.alive_fd, False)
    (spec.folder / LOG_FILE).parent.mkdir(parents=True, exist_ok=True)
    (spec.folder / LOG_FILE).touch()
    (spec.folder / METRICS_FILE).touch()


def _print_error(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code
