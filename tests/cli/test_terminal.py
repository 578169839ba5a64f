"""Tables on narrow terminals, and terminal control characters."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reconciler.cli.console import print_coloured_lines, print_table
from reconciler.cli.terminal import print_fitted_table

HEADS = ("ADDRESS", "VERSION", "STATE", "SINCE")
ADDRESS = "environment/a-rather-long-name-of-an-environment"
ROW = (ADDRESS, "train-0a1b2c3d", "completed", "2024-01-01T00:00:00Z")


def table(width: int, *rows: tuple[str, ...]) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None, soft_wrap=True)
    print_fitted_table(HEADS, rows, console)
    return console.file.getvalue()


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


def test_a_cell_cannot_contain_control_characters_or_line_breaks(capsys):
    print_table(HEADS, [("data/a\x1b[2J\nb", "1", "live", "now")])
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert len(output.splitlines()) == 2


def test_columns_are_aligned_by_the_width_that_characters_have(capsys):
    print_table(("A", "B"), [("名前", "1"), ("name", "2")])
    assert capsys.readouterr().out == "A     B\n名前  1\nname  2\n"


def test_a_line_cannot_contain_control_characters(capsys):
    print_coloured_lines("  + data/a\x1b[2J: create")
    assert "\x1b" not in capsys.readouterr().out
