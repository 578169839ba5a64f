"""Tables on narrow terminals, and terminal control characters."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reconciler.cli.terminal import Terminal

HEADS = ("ADDRESS", "VERSION", "STATE", "SINCE")
ADDRESS = "environment/a-rather-long-name-of-an-environment"
ROW = (ADDRESS, "train-0a1b2c3d", "completed", "2024-01-01T00:00:00Z")


def table(width: int, *rows: tuple[str, ...]) -> str:
    terminal = Terminal()
    terminal.console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system=None,
        highlight=False,
        soft_wrap=True,
        emoji=False,
    )
    terminal.print_table(HEADS, rows)
    return terminal.console.file.getvalue()


@pytest.mark.parametrize("width", [50, 60, 66, 80, 200])
def test_the_address_is_never_cut_off(width):
    lines = table(width, ROW).splitlines()
    assert lines[1].split()[0] == ADDRESS
    assert max(len(line.rstrip()) for line in lines) <= width


def test_columns_that_do_not_fit_are_named():
    output = table(66, ROW)
    assert "train-0a1b2c3d" in output
    assert "(too narrow for STATE, SINCE: use --format json)" in output


def test_a_wide_terminal_shows_every_column():
    assert "too narrow" not in table(200, ROW)
    assert ROW[-1] in table(200, ROW)


def test_a_cell_cannot_contain_control_characters_or_line_breaks():
    output = table(200, ("data/a\x1b[2J\nb", "1", "live", "now"))
    assert "\x1b" not in output
    assert len(output.splitlines()) == 2
