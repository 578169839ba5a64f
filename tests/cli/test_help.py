"""Help, version, usage errors and internal errors."""

from __future__ import annotations

import importlib

import click
import pytest

from reconciler import cli

pytestmark = pytest.mark.fast

JOB = importlib.import_module("reconciler.cli.job").command
ENV = importlib.import_module("reconciler.cli.env").ENVIRONMENT_COMMANDS
DATA = importlib.import_module("reconciler.cli.data").DATA_COMMANDS
CI = importlib.import_module("reconciler.cli.ci").CI_COMMANDS
GROUPS = {"job": JOB.commands, "ci": CI, "env": ENV, "data": DATA}
COMMANDS = [(name,) for name in cli.COMMANDS] + [(group, name) for group, names in GROUPS.items() for name in names]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(command, mlgit, tmp_path):
    ended = mlgit(*command, "--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    usage, _, text = ended.out.partition("\n")
    assert usage.startswith(f"Usage: mlgit {' '.join(command)}")
    assert f"mlgit {' '.join(command)}" in text


def test_the_help_lists_every_command(mlgit, tmp_path, golden):
    ended = mlgit("--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/help.txt", ended.out)


def test_the_version_is_printed(mlgit, tmp_path):
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
def test_a_usage_error_exits_with_1_and_one_message(arguments, applied, mlgit):
    ended = mlgit(*arguments, cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("error: ") == 1
    assert "Traceback" not in ended.err


def test_every_command_is_a_click_command(tmp_path):
    for name in cli.COMMANDS:
        command = importlib.import_module(f"reconciler.cli.{name}").command
        assert isinstance(command, click.Command)
        assert command.name == name


def test_the_option_c_sets_the_working_directory(applied, mlgit, tmp_path):
    assert mlgit("-C", str(applied), "plan", cwd=tmp_path).out.startswith("No changes. ")


def test_an_internal_error_is_reported_as_a_bug_with_exit_code_3(applied, mlgit, monkeypatch):
    plan = importlib.import_module("reconciler.cli._plan")
    monkeypatch.setattr(plan.text, "format_plan", lambda *_: 1 // 0)
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 3
    assert "ZeroDivisionError" in ended.err
    assert "this is a bug, not a mistake of yours" in ended.err


def test_a_closed_pipe_is_no_error(applied, mlgit_process):
    process = mlgit_process("show", "job/sum", cwd=applied)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(120) in (0, 1)
