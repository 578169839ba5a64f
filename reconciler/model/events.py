"""What happens during an apply, as those who show it are told."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from reconciler.model.plan import Action
from reconciler.model.transfers import ReadTransfer


class Progress(StrEnum):
    """What an event says about its action."""

    STARTED = "started"
    MESSAGE = "message"
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    SKIPPED = "skipped"
    LOCKED = "locked"  # another apply holds a lock on what it would change


class Event(NamedTuple):
    """Something that happened during an apply.

    With ``read_transfer`` it is that a transfer goes on; a display may ask at any time how far.
    """

    progress: Progress
    action: Action
    message: str = ""
    error: Exception | None = None
    read_transfer: ReadTransfer | None = None
