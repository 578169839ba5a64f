"""Tables on narrow terminals, and what a terminal would obey."""

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
    terminal.console = Console(width=width, file=io.StringIO(), highlight=False, soft_wrap=True, emoji=False)
    terminal.print_table(HEADS, rows)
    return terminal.console.file.getvalue()


@pytest.mark.parametrize("width", [50, 60, 66, 80, 200])
def test_the_address_is_never_cut(width):
    lines = table(width, ROW).splitlines()
    assert lines[1].split()[0] == ADDRESS
    assert max(len(line.rstrip()) for line in lines) <= width


def test_columns_without_room_are_named():
    said = table(66, ROW)
    assert "train-0a1b2c3d" in said
    assert "(too narrow for STATE, SINCE: see --format json)" in said


def test_with_room_every_column_is_there():
    assert "too narrow" not in table(200, ROW)
    assert ROW[-1] in table(200, ROW)


def test_a_cell_can_neither_speak_to_the_terminal_nor_begin_a_line():
    said = table(200, ("data/a\x1b[2J\nb", "1", "live", "now"))
    assert "\x1b" not in said
    assert len(said.splitlines()) == 2
