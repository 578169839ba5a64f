"""Whatever JSON is in the place of any node of the live state, no command takes it for a bug or changes anything."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state.json_nodes import VALUES, paths_of, replaced
from workspaces import git, put

pytestmark = pytest.mark.slow

REF = "refs/mlgit/small/default/live"
COMMANDS = (
    ("plan",),
    ("plan", "--refresh"),
    ("plan", "--replace", "job/sum"),
    ("drift",),
    ("status",),
    ("list", "--all"),
    ("show", "job/sum"),
    ("show", "model/total"),
    ("job", "list"),
    ("job", "show", "sum"),
    ("job", "metrics", "sum"),
    ("job", "show", "try"),
    ("run", "jobs/sum.yml", "--name", "try"),
    ("log",),
    ("diff", "~1"),
    ("import", "--all", "--dry-run"),
    ("state", "repair"),
    ("apply", "--auto-approve"),
)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("part", ["current", "history", "meta.json"])
def test_no_command_takes_any_value_at_any_node_of_the_state_for_a_bug(applied, mlgit, part):
    head, start = git(applied, "rev-parse", REF), git(applied, "rev-parse", "HEAD")
    names = [name for name in git(applied, "ls-tree", "-r", "--name-only", REF).split("\n") if name.startswith(part)]
    files = {name: json.loads(git(applied, "show", f"{REF}:{name}")) for name in names}
    nodes = [(name, path) for name in names for path in paths_of(files[name])]

    @SETTINGS
    @given(
        st.sampled_from(nodes), st.sampled_from(VALUES), st.lists(st.sampled_from(COMMANDS), min_size=3, unique=True)
    )
    def check(node, value, commands):
        name, path = node
        put(applied, name, replaced(files[name], path, value))
        try:
            for command in commands[:4]:
                ended = mlgit(*command, cwd=applied)
                assert ended.code in {0, 1}, (name, path, value, command, ended.err)
                assert not re.search(r"(?m)^\s*::error::x", ended.out + ended.err)
                assert ended.code == 0 or "error: " in ended.err or "failed" in ended.out + ended.err
        finally:
            git(applied, "update-ref", REF, head)
        assert git(applied, "rev-parse", "HEAD") == start

    check()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("data/numbers", ("realised", "contents"), 0),
        ("data/numbers", ("realised", "contents"), {"/path": {"size": 1}}),
        ("data/numbers", ("realised", "contents", "/path", "md5"), "../../../../x"),
        ("data/numbers", ("realised", "contents", "/path", "size"), True),
        ("job/sum", ("latest",), "\ud800"),
        ("model/total", ("lineage", "commit"), ["x"]),
    ],
)
def test_a_nested_value_of_another_type_is_named_as_damage_and_repaired(applied, mlgit, name, path, value):
    (file,) = (
        file for file in git(applied, "ls-tree", "-r", "--name-only", REF, "current").split() if f"{name}.json" in file
    )
    put(applied, file, replaced(json.loads(git(applied, "show", f"{REF}:{file}")), path, value))
    ended = mlgit("drift", cwd=applied)
    assert ended.code == 1
    assert file in ended.err
    assert "state-corrupt" in ended.err
    assert mlgit("state", "repair", "--auto-approve", cwd=applied).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0
