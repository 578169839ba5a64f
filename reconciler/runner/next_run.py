"""What a run does at its end for the queue that it was in, and for those that wait for the devices it had."""

from __future__ import annotations

import sys
from pathlib import Path

from .queue import start_queued, waiting_queues
from .spec import RunSpec
from .supervisors import fork_or_spawn_supervisor


def start_next(spec: RunSpec) -> Path | None:
    """Start the runs that wait for what a run had; return a spec in the process that is to execute it."""
    queues = [*waiting_queues(spec.device_folder)] if spec.device_folder else []
    for queue in dict.fromkeys([*queues, *([spec.queue] if spec.queue else [])]):
        try:
            run = start_queued(queue, fork_or_spawn_supervisor)
        except OSError as error:  # any command that asks for a run of the queue tries it again
            sys.stderr.write(f"the next runs of {queue} could not be started: {error}\n")
        else:
            if run is not None:
                return Path(run.command[-1])
    return None
