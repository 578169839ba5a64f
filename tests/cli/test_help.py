"""Help: every command says what it does, with an example; what is not understood says how it is meant."""

from __future__ import annotations

import importlib

import click
import pytest

from reconciler import cli

pytestmark = pytest.mark.fast

JOB = importlib.import_module("reconciler.cli.job").command
EVERY = [(name,) for name in cli.COMMANDS] + [("job", name) for name in JOB.commands]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_the_help_of_every_command_has_an_example(command, mlgit, tmp_path):
    ended = mlgit(*command, "--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    usage, _, rest = ended.out.partition("\n")
    assert usage.startswith(f"Usage: mlgit {' '.join(command)}")
    assert f"mlgit {' '.join(command)}" in rest


def test_the_first_page_lists_every_command_and_the_two_that_matter(mlgit, tmp_path, golden):
    ended = mlgit("--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/help.txt", ended.out)


def test_the_version_is_said(mlgit, tmp_path):
    assert mlgit("--version", cwd=tmp_path).out.startswith("mlgit ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("plan", "--frobnicate"),
        ("plan", "--format", "xml"),
        ("plan", "--replace", "train"),
        ("apply", "--allow-submit", "many"),
        ("plan", "--allow-submit", "-1"),
        ("list", "modle"),
        ("log", "-n", "0"),
        ("show",),
        ("job", "logs"),
        ("job", "frobnicate"),
        ("-C", "nowhere", "plan"),
    ],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_1_and_one_message(arguments, applied, mlgit):
    ended = mlgit(*arguments, cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("error: ") == 1
    assert "Traceback" not in ended.err


def test_every_command_is_one_of_click(tmp_path):
    for name in cli.COMMANDS:
        command = importlib.import_module(f"reconciler.cli.{name}").command
        assert isinstance(command, click.Command)
        assert command.name == name


def test_a_folder_can_be_named_instead_of_entered(applied, mlgit, tmp_path):
    assert mlgit("-C", str(applied), "plan", cwd=tmp_path).out.startswith("No changes. ")


def test_a_bug_of_mlgit_is_told_as_one(applied, mlgit, monkeypatch):
    plan = importlib.import_module("reconciler.cli._plan")
    monkeypatch.setattr(plan.text, "format_plan", lambda _: 1 // 0)
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 3
    assert "ZeroDivisionError" in ended.err
    assert "this is a bug, not a mistake of yours" in ended.err


def test_a_reader_that_goes_away_is_no_bug(applied, mlgit_process):
    process = mlgit_process("show", "job/sum", cwd=applied)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) in (0, 1)
