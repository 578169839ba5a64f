"""What a provider tells a person about what it does: who listens shows it, as an apply does in its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OnNote = Callable[[str], object]
_LISTENER: ContextVar[OnNote | None] = ContextVar("notes", default=None)


@contextmanager
def listen_to_notes(on_note: OnNote) -> Iterator[None]:
    """Have a function called with the notes of this thread until the block ends."""
    token = _LISTENER.set(on_note)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def write_note(text: str) -> None:
    """Tell who listens, if anybody does."""
    if on_note := _LISTENER.get():
        on_note(text)
