"""Coloured lines on standard output, without rich, whose import takes longer than a short command.

There are no colours if standard output is not a terminal.
"""

from __future__ import annotations

import click

APPLY_HINT = "\nApply this with `mlgit apply`."
_SIGN_COLOURS = {"+": "green", "~": "yellow", "±": "yellow", "-": "red", ">": "cyan", "=": "blue"}


def print_coloured_lines(lines: str) -> None:
    """Print sanitized lines in the colour of their sign; a line that ends in a colon is a bold title."""
    for line in lines.split("\n"):
        sign = line[2:3] if line.startswith("  ") and line[3:4] == " " else ""
        click.secho(line, fg=_SIGN_COLOURS.get(sign), bold=not sign and line.endswith(":"))
