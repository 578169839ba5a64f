"""All that mlgit prints for people: lines, coloured lines and tables, without rich, whose import takes long.

What is printed passes `echo`, `print_coloured_lines` or `print_table`, so that no control character, no command for a
CI system and no password of a URL reaches the output, whatever the files, Git and other programs say. The exceptions
are the log of a run, which `job logs` and `run` copy as it is, and `print_drawing`, whose text has colours. Text of one
value is put on one line where the sentence is made (`sanitize_line`).

There are no colours if standard output is not a terminal or NO_COLOR is set. Loads ``cli.terminal`` by name, for a
table that is too wide for the terminal, and ``rich.cells`` for the width of text that is not ASCII.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import click

from reconciler.abbreviation import abbreviate_text
from reconciler.render.sanitize import disarm_commands, disarm_inline_commands, sanitize_line, sanitize_text
from reconciler.secrets.urls import mask_url_secrets

APPLY_HINT = "\nApply this with `mlgit apply`."
_COLUMN_GAP = "  "
_SIGN_COLOURS = {"+": "green", "~": "yellow", "±": "yellow", "-": "red", ">": "cyan", "=": "blue"}


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print lines that are ours, to standard output or standard error; see the docstring of this module."""
    click.echo(_safe(text), err=err, nl=nl)


def echo_line(text: str, *, err: bool = False) -> None:
    """Print one line that has values of others in it."""
    echo(sanitize_line(text), err=err)


def print_note(note: str) -> None:
    """Print a note to standard error."""
    echo_line(note, err=True)


def format_message(text: str) -> str:
    """Return a message on one line; of a long name that it quotes only the ends are kept."""
    return sanitize_line(abbreviate_text(mask_url_secrets(text)))


def echo_workflow_commands(commands: str) -> None:
    """Print commands for GitHub, one on each line, whose values are escaped."""
    click.echo(disarm_inline_commands(sanitize_text(mask_url_secrets(commands))))


def _safe(text: str) -> str:
    return disarm_commands(sanitize_text(mask_url_secrets(text)))


def print_coloured_lines(lines: str) -> None:
    """Print lines in the colour of their sign; a line that ends in a colon is a bold title."""
    for line in _safe(lines).split("\n"):
        sign = line[2:3] if line.startswith("  ") and line[3:4] == " " else ""
        click.secho(line, fg=_SIGN_COLOURS.get(sign), bold=not sign and line.endswith(":"), color=_colour_choice())


def print_drawing(text: str) -> None:
    """Print lines with colours of ours, in which the text of others was sanitized."""
    click.echo(disarm_commands(mask_url_secrets(text)), color=_colour_choice())


def can_print(text: str) -> bool:
    """Return True if standard output can show some characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _colour_choice() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns. On a terminal that is too narrow, the last columns are left out."""
    columns = [list(map(sanitize_line, column)) for column in zip(headings, *rows, strict=True)]
    widths = [max(_text_widths(column)) for column in columns]
    needed = sum(widths) + len(_COLUMN_GAP) * (len(widths) - 1)
    if sys.stdout.isatty() and needed > shutil.get_terminal_size().columns:
        cells = list(zip(*columns, strict=True))
        importlib.import_module("reconciler.cli.terminal").print_fitted_table(headings, cells[1:])
        return
    padded = [_pad_cells(column, width) for column, width in zip(columns, widths, strict=True)]
    lines = (_COLUMN_GAP.join(cells).rstrip() for cells in zip(*padded, strict=True))
    heading, newline, others = _safe("\n".join(lines)).partition("\n")
    click.secho(heading, bold=True, color=_colour_choice())
    if newline:
        click.echo(others)  # one call: a table may have ten thousand rows


def _pad_cells(cells: Sequence[str], width: int) -> list[str]:
    if "".join(cells).isascii():
        return [cell.ljust(width) for cell in cells]
    return [cell + " " * (width - cell_width) for cell, cell_width in zip(cells, _text_widths(cells), strict=True)]


def _text_widths(texts: Sequence[str]) -> list[int]:
    if "".join(texts).isascii():
        return list(map(len, texts))
    return list(map(importlib.import_module("rich.cells").cell_len, texts))
