"""--target: the same repository realised elsewhere, with a live state of its own."""

from __future__ import annotations

import json
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
# What does not look at a workspace, or has no state to choose.
WITHOUT = {"init", "fmt", "schema", "explain", "lineage", "reproduce"}


@pytest.fixture
def two(small: Path) -> Path:
    """Make a workspace with a second target."""
    with (small / "mlgit.yml").open("a") as file:
        file.write(TARGETS)
    commit(small)
    return small


def commands() -> list[tuple[str, click.Command]]:
    found = []
    context = click.Context(main)
    for name in COMMANDS.keys() - WITHOUT:
        command = main.get_command(context, name)
        inner = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        found += [(f"{name} {each}".strip(), one) for each, one in inner]
    return sorted(found, key=lambda each: each[0])


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_that_opens_a_workspace_takes_a_target(name, command):
    option = next(param for param in command.params if param.name == "target")
    assert option.envvar == "MLGIT_TARGET"


def test_the_plan_says_for_which_target_it_is(two, mlgit, golden):
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
    assert [runs[each]["backend"] for each in ("prod", "default")] == ["big", "local"]
    assert runs["prod"]["run"] != runs["default"]["run"]
    assert {path.name for path in (two / ".mlgit").iterdir()} == {"prod", "store"}
    live = git(two, "for-each-ref", "--format=%(refname)", "refs/mlgit/*/*/live").split()
    assert live == ["refs/mlgit/small/default/live", "refs/mlgit/small/prod/live"]


def test_a_saved_plan_knows_its_target(two, mlgit):
    assert mlgit("plan", "--target", "prod", "-o", "../plan.json", cwd=two).code == 0
    other = mlgit("apply", "../plan.json", "--target", "default", cwd=two)
    assert (other.code, "[plan-foreign]" in other.err) == (1, True)
    assert mlgit("apply", "../plan.json", cwd=two).code == 0
    assert mlgit("list", cwd=two).out == "No asset is live.\n"


def test_a_target_that_is_not_there_is_refused_before_anything_is_done(two, mlgit, golden):
    ended = mlgit(*APPLY, "--target", "prdo", cwd=two)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/target/unknown.txt", ended.err)


def test_the_store_of_a_target_never_goes_into_a_plan(two, mlgit):
    write(two, {".gitignore": "", ".mlgit/prod/files/x": "bytes\n"})
    commit_of = mlgit("plan", cwd=two)
    assert commit_of.code == 0, commit_of.err
    git(two, "add", ".gitignore")
    git(two, "commit", "--quiet", "-m", "ignore nothing")
    ended = mlgit(*APPLY[:2], cwd=two)
    assert ended.code == 0, ended.err  # the store of the other target does not make the tree dirty
