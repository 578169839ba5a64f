"""The sequence of one run. Exit codes: 0 completed, 1 not, 75 the run's token is taken: another runner has it."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from .command import substitute
from .environment import build_environment
from .process import Watch, execute
from .records import claim, write_record
from .result import LOG, METRICS, RESULT, Canceled, Failure, Outcome, RunFailure, Status, Tracked, now, record
from .spec import Spec, SpecError, read_spec
from .staging import output_sizes, stage
from .tracking import open_tracking

DUPLICATE = 75
_ARGUMENTS = 2


def main() -> int:
    """Do the run that spec.json (the one argument) describes, and write its one result.json."""
    if len(sys.argv) != _ARGUMENTS:
        return _refuse("say which run: runner.pyz SPEC.JSON", 2)
    try:
        spec = read_spec(Path(sys.argv[1]))
        watch = Watch(spec.folder)
        watch.listen()
        claim(spec.claim, spec.run)
    except SpecError as error:
        return _refuse(str(error), 1)
    except FileExistsError:
        return _refuse("duplicate: another runner has this run's token", DUPLICATE)
    except OSError as error:
        return _refuse(f"the run's token could not be claimed: {error}", 1)
    return _run(spec, watch)


def _run(spec: Spec, watch: Watch) -> int:
    started = now()
    tracked = Tracked()
    try:
        _prepare(spec)
        staged = stage(spec, watch.pulse)
        command = substitute(spec.command, staged.values)
        with open_tracking(spec) as tracking:
            variables = build_environment(os.environ, spec, tracking.variables)
            outcome = execute(command, staged.code, variables, spec, watch)
            tracked = tracking.finish(outcome.status)
    except Canceled:
        outcome = Outcome(Status.CANCELED)
    except RunFailure as error:
        outcome = Outcome(Status.FAILED, error.failure)
    except Exception as error:  # noqa: BLE001 - the runner's own fault is a result too: a run without one is lost
        sys.stderr.write(traceback.format_exc())
        outcome = Outcome(Status.FAILED, Failure("engine", f"the runner failed: {type(error).__name__}: {error}"))
    write_record(spec.folder / RESULT, record(spec, outcome, started, tracked, output_sizes(spec)))
    return 0 if outcome.status is Status.COMPLETED else 1


def _prepare(spec: Spec) -> None:
    """Make the files that a reader may ask for at any time, and keep the backend's lock to this process."""
    if spec.alive is not None:
        os.set_inheritable(spec.alive, False)
    (spec.folder / LOG).parent.mkdir(parents=True, exist_ok=True)
    (spec.folder / LOG).touch()
    (spec.folder / METRICS).touch()


def _refuse(message: str, code: int) -> int:
    sys.stderr.write(message + "\n")
    return code
