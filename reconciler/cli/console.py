"""Lines for people, each in the colour of its sign; without rich, which takes longer than a short answer.

Colours are left out where standard output is no terminal.
"""

from __future__ import annotations

import click

APPLY_HINT = "\nApply this with `mlgit apply`."
_SIGN_COLOURS = {"+": "green", "~": "yellow", "±": "yellow", "-": "red", ">": "cyan", "=": "blue"}


def print_coloured_lines(lines: str) -> None:
    """Print lines that can be shown as they are; what ends in a colon is a title."""
    for line in lines.split("\n"):
        sign = line[2:3] if line.startswith("  ") and line[3:4] == " " else ""
        click.secho(line, fg=_SIGN_COLOURS.get(sign), bold=not sign and line.endswith(":"))
