"""Commands of `az ml` that mlgit does not have: one line that says what to use instead, whatever else is typed."""

from __future__ import annotations

import importlib

import pytest

from reconciler import cli
from reconciler.cli import az_commands

fast = pytest.mark.fast

HINTS = {
    ("job", "create", "-f", "jobs/train.yml"): "mlgit run jobs/train.yml",
    ("job", "create", "--file", "jobs/train.yml", "--stream"): "mlgit run jobs/train.yml",
    ("job", "create", "--file=jobs/train.yml"): "mlgit run jobs/train.yml",
    ("job", "create", "jobs/train.yml"): "mlgit run jobs/train.yml",
    ("job", "create", "--set", "inputs.lr=1", "-f", "a b.yml"): "mlgit run 'a b.yml' --set inputs.lr=1",
    ("job", "create", "-f", "x.yml", "--set", "a=1", "b=x y", "--web", "--set=c=2"): (
        "mlgit run x.yml --set a=1 'b=x y' --set=c=2"
    ),
    ("job", "create"): "mlgit run FILE",
    ("job", "stream", "-n", "train-1c60a0d6"): "mlgit job logs train-1c60a0d6 --follow",
    ("job", "stream", "train"): "mlgit job logs train --follow",
    ("job", "archive", "--name", "train"): "mlgit archive job/train",
    ("job", "update"): "mlgit apply",
    ("ml", "job", "create", "-f", "x.yml"): "mlgit run x.yml",
    ("az", "ml", "job", "create", "-f", "x.yml"): "mlgit run x.yml",
    ("az", "ml", "status"): "mlgit status",
    ("data", "create", "-f", "data.yml"): "mlgit apply",
    ("model", "download", "--name", "iris", "--version", "3"): "mlgit get model/iris DIR",
    ("environment", "show", "-n", "sklearn"): "mlgit show environment/sklearn",
    ("online-endpoint", "delete", "-n", "scores"): "mlgit apply",
    ("compute", "list"): "mlgit list compute",
    ("compute", "attach"): "mlgit list compute",
    ("data", "list"): "mlgit list data",
    ("create", "-f", "jobs/train.yml"): "mlgit run jobs/train.yml",
    ("logs", "train"): "mlgit job logs train",
    ("destroy",): "mlgit apply --destroy",
}


@fast
def test_a_file_that_is_given_is_to_be_committed_and_not_to_be_written(mlgit, tmp_path):
    assert ": commit model.yml, and use `mlgit apply`" in refused(mlgit, tmp_path, "model", "create", "-f", "model.yml")
    assert ": write it to a file, commit that," in refused(mlgit, tmp_path, "model", "create", "-n", "x")


def refused(mlgit, folder, *arguments):
    ended = mlgit(*arguments, cwd=folder)
    assert (ended.code, ended.out) == (1, "")
    assert "No such command" not in ended.err
    return ended.err


@fast
@pytest.mark.parametrize("arguments", HINTS, ids=" ".join)
def test_a_command_of_az_ml_is_one_line_that_names_the_command_of_mlgit(mlgit, tmp_path, arguments):
    error = refused(mlgit, tmp_path, *arguments)
    assert error.startswith("error: mlgit has no command ")
    assert error.count("\n") == 1
    assert f"`{HINTS[arguments]}`" in error


@fast
@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("job", "lst"), "did you mean list?"),
        (("job", "frobnicate"), "download, list"),
        (("pln",), "did you mean plan?"),
        (("ml",), "the commands there are"),
        (("az", "ml"), "the commands there are"),
    ],
)
def test_any_other_command_is_a_usage_error_with_a_suggestion(mlgit, tmp_path, arguments, hint):
    error = refused(mlgit, tmp_path, *arguments)
    assert error.count("error: ") == 1
    assert hint in error


@fast
def test_no_command_of_mlgit_is_refused():
    job = importlib.import_module("reconciler.cli.job").command
    own = {*cli.COMMANDS}
    assert own.isdisjoint({*az_commands._KINDS, *az_commands._VERBS} - {*az_commands._OWN_GROUPS})
    assert {*job.list_commands(None)}.isdisjoint(az_commands._JOB_VERBS)


@fast
def test_every_command_that_is_named_exists_and_every_kind_is_one():
    kinds = importlib.import_module("reconciler.format.kinds").kinds()
    assert {*az_commands._KINDS.values()} <= {*kinds}
    job = importlib.import_module("reconciler.cli.job").command
    tables = (az_commands._ASSET_VERBS, az_commands._JOB_VERBS, az_commands._VERBS)
    for hint in (hint for table in tables for hint in table.values()):
        for part in hint.split("`")[1::2]:
            words = part.split()
            assert words[0] == "mlgit"
            assert words[1] in cli.COMMANDS
            assert words[1] != "job" or words[2] in job.list_commands(None)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "logs", "metrics", "wait", "list", "download", "cancel"])
def test_every_command_on_a_run_takes_its_name_as_az_ml_does(applied, mlgit, tmp_path, command):
    extra = (str(tmp_path / "out"), "--force") if command == "download" else ()
    if command == "download":
        mlgit("job", command, "sum", *extra, cwd=applied)
    expected = mlgit("job", command, "sum", *extra, cwd=applied)
    for option in (("--name", "sum"), ("-n", "sum"), ("--name=sum",)):
        assert mlgit("job", command, *option, *extra, cwd=applied) == expected
        assert mlgit("job", command, *extra, *option, cwd=applied) == expected
    assert mlgit("job", command, "--name", cwd=applied).code == 1
