"""Lines for people, each in the colour of its sign; without rich, which takes longer than a short answer.

Colours are left out where standard output is no terminal.
"""

from __future__ import annotations

import click

APPLY = "\nApply this with `mlgit apply`."
_COLOURS = {"+": "green", "~": "yellow", "±": "yellow", "-": "red", ">": "cyan", "=": "blue"}


def show(lines: str) -> None:
    """Print lines that can be shown as they are; what ends in a colon is a title."""
    for line in lines.split("\n"):
        sign = line[2:3] if line.startswith("  ") and line[3:4] == " " else ""
        click.secho(line, fg=_COLOURS.get(sign), bold=not sign and line.endswith(":"))
