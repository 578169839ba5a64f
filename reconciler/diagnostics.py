"""Diagnostics: errors, warnings and notes about the user's files, as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

# Of errors of the system's loader, of threads, and of the system itself.
_MEMORY_MESSAGES = ("failed to map segment", "cannot allocate memory", "can't start new thread")
_MAX_CAUSES = 20
_NO_CHARACTER = re.compile("[\ud800-\udfff]")  # Python keeps a byte of a name that is no UTF-8 as one of these
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF
SET_OPTION = "--set"  # gives a field of a file another value


class Severity(StrEnum):
    """The severity of a diagnostic; only an error stops a command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A position in a file: its path from the workspace root, and line and column counted from 1.

    Or an option of the command (`option_span`): its text as the path, without line and column.
    """

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return self.path if self.is_option else f"{self.path}:{self.line}:{self.column}"

    @property
    def is_option(self) -> bool:
        """True if the place is an option of the command, not a position in a file."""
        return self.line == 0


def option_span(option: str) -> Span:
    """Return the place of what is wrong with an option of the command."""
    return Span(option, 0, 0)


class Diagnostic(NamedTuple):
    """A problem in the user's files: its code, the message, the position, and a hint how to fix it.

    ``places`` are the other positions with the same problem, such as all references to an asset that is missing.
    ``example`` has the lines that the hint ends with, if they are more than one: those to write, or those of a log.
    """

    code: str
    message: str
    span: Span | None = None
    hint: str = ""
    severity: Severity = Severity.ERROR
    places: tuple[Span, ...] = ()
    example: tuple[str, ...] = ()

    def __str__(self) -> str:
        location = f"{self.span}: " if self.span else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{location}{self.severity}: {self.message}{hint}"


class UserError(Exception):
    """An error that ends a command with exit code 1 and reports its diagnostics."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = diagnostics


def user_error(code: str, message: str, hint: str = "", span: Span | None = None) -> UserError:
    """Return an error with one diagnostic, whose message can be written in UTF-8: with signs such as ``\\xff``."""
    return UserError(Diagnostic(code, _NO_CHARACTER.sub(_byte_sign, message), span, hint))


def _byte_sign(half: re.Match[str]) -> str:
    number = ord(half[0])
    return f"\\x{number - 0xDC00:02x}" if _FIRST_BYTE <= number <= _LAST_BYTE else f"\\u{number:04x}"


def place_in_message(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic whose place, if it is an option, is part of its message: for forms that know files only."""
    if diagnostic.span is None or not diagnostic.span.is_option:
        return diagnostic
    return diagnostic._replace(message=f"{diagnostic.span}: {diagnostic.message}", span=None)


def within_paths(diagnostic: Diagnostic, is_within: Callable[[str], bool]) -> Diagnostic | None:
    """Return a diagnostic with those of its positions whose path is meant; None if it has positions, but none of them.

    A diagnostic without a position, or at an option, stays as it is.
    """
    if diagnostic.span is None:
        return diagnostic
    spans = [span for span in (diagnostic.span, *diagnostic.places) if span.is_option or is_within(span.path)]
    return diagnostic._replace(span=spans[0], places=tuple(spans[1:])) if spans else None


def sort_by_severity(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return diagnostics with the errors first, then the warnings; of each, those with the most places first."""
    severities = list(Severity)
    return sorted(diagnostics, key=lambda item: (severities.index(item.severity), -len(item.places)))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return True if any of the diagnostics is an error."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def memory_diagnostic(error: BaseException) -> Diagnostic | None:
    """Return what to report if the machine, or a limit on the process, gave no more memory; None for other errors.

    Besides MemoryError these are errors of threads that cannot start and of libraries that cannot be loaded.
    """
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            return None
        if isinstance(cause, MemoryError) or any(text in str(cause).lower() for text in _MEMORY_MESSAGES):
            break
        cause = cause.__cause__ or cause.__context__
    else:
        return None
    message = "there is no memory left for this command"
    return Diagnostic("memory-full", message, hint="raise the limit on memory (`ulimit -v`), or close other programs")
