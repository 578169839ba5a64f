"""--target: the same repository with other providers and a separate live state."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path

import click
import pytest
from workspaces import APPLY, commit, git, write

from reconciler.cli import COMMANDS, main

TARGETS = """
targets:
  prod:
    store: {path: .mlgit/prod}
    backends: {big: {type: local}}
    compute: {"*": big}
"""
# Commands that open no workspace, or have no live state.
COMMANDS_WITHOUT_TARGET = {"init", "fmt", "schema", "explain", "lineage", "reproduce"}


@pytest.fixture
def two(small: Path) -> Path:
    """Make a workspace with a second target."""
    with (small / "mlgit.yml").open("a") as file:
        file.write(TARGETS)
    commit(small)
    return small


def commands() -> list[tuple[str, click.Command]]:
    leaves = []
    context = click.Context(main)
    for name in COMMANDS.keys() - COMMANDS_WITHOUT_TARGET:
        command = main.get_command(context, name)
        subcommands = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        leaves += [(f"{name} {subname}".strip(), subcommand) for subname, subcommand in subcommands]
    return sorted(leaves, key=itemgetter(0))


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_that_opens_a_workspace_has_the_option_target(name, command):
    option = next(param for param in command.params if param.name == "target")
    assert option.envvar == "MLGIT_TARGET"


def test_the_plan_names_its_target(two, mlgit, golden):
    golden("cli/target/plan.txt", mlgit("plan", "--target", "prod", cwd=two).out)
    assert mlgit("plan", cwd=two).out.startswith("Plan: ")


@pytest.mark.slow
def test_each_target_has_its_own_live_state_store_and_runs(two, mlgit, monkeypatch):
    assert mlgit(*APPLY, "--target", "prod", cwd=two).code == 0
    assert mlgit("list", cwd=two).out == "No asset is live.\n"
    assert mlgit("plan", "--target", "prod", "--detailed-exitcode", cwd=two).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=two).code == 2
    assert mlgit(*APPLY, cwd=two).code == 0
    runs = {}
    for target in ("prod", "default"):
        monkeypatch.setenv("MLGIT_TARGET", target)
        (runs[target],) = json.loads(mlgit("job", "list", "--format", "json", cwd=two).out)
    assert [runs[target]["backend"] for target in ("prod", "default")] == ["big", "local"]
    assert runs["prod"]["run"] != runs["default"]["run"]
    assert {path.name for path in (two / ".mlgit").iterdir()} == {"prod", "store"}
    live_refs = git(two, "for-each-ref", "--format=%(refname)", "refs/mlgit/*/*/live").split()
    assert live_refs == ["refs/mlgit/small/default/live", "refs/mlgit/small/prod/live"]


def test_a_saved_plan_is_applied_to_its_target_only(two, mlgit):
    assert mlgit("plan", "--target", "prod", "-o", "../plan.json", cwd=two).code == 0
    refused = mlgit("apply", "../plan.json", "--target", "default", cwd=two)
    assert (refused.code, "[plan-foreign]" in refused.err) == (1, True)
    assert mlgit("apply", "../plan.json", cwd=two).code == 0
    assert mlgit("list", cwd=two).out == "No asset is live.\n"


def test_an_unknown_target_is_refused(two, mlgit, golden):
    ended = mlgit(*APPLY, "--target", "prdo", cwd=two)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/target/unknown.txt", ended.err)


def test_the_stores_of_all_targets_are_excluded_from_the_work_tree(two, mlgit):
    write(two, {".gitignore": "", ".mlgit/prod/files/x": "bytes\n"})
    planned = mlgit("plan", cwd=two)
    assert planned.code == 0, planned.err
    git(two, "add", ".gitignore")
    git(two, "commit", "--quiet", "-m", "ignore nothing")
    ended = mlgit(*APPLY[:2], cwd=two)
    assert ended.code == 0, ended.err  # the store of the other target does not make the tree dirty
