"""Tests of docs/guarantees.md on the live state: where it is and how it is kept."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, put

from reconciler.model import Address, Record
from reconciler.state.paths import current_record_path, history_record_path
from reconciler.state.store import StateStore, WriteBatch

ROOT = Path(__file__).parents[2]

LIVE = "refs/mlgit/small/default/live"
LINEAGE = "1" * 32
NUMBERS, SUM = Address("data", "numbers"), Address("job", "sum")


@pytest.fixture
def state(small, opened):
    return StateStore(opened(small), "small", LINEAGE)


def record(name, fingerprint="f"):
    return Record(Address("data", name), {}, fingerprint, "m", 1, version="1")


def test_every_ref_is_below_the_name_of_the_state_and_its_target(applied):
    """Every ref is below `refs/mlgit/<name>/<target>/`."""
    all_refs = git(applied, "for-each-ref", "--format=%(refname)").splitlines()
    state_refs = [ref for ref in all_refs if not ref.startswith("refs/heads/")]
    assert {ref.split("/")[4] for ref in state_refs} == {"live", "sources"}
    assert {ref.rpartition("/default/")[0] for ref in state_refs} == {"refs/mlgit/small"}


def test_the_name_of_the_state_is_written_once_by_init(tmp_path, mlgit):
    """`mlgit init` writes the name of the live state once; renaming the folder does not change it."""
    assert mlgit("init", "iris-demo", cwd=tmp_path).code == 0
    moved = (tmp_path / "iris-demo").rename(tmp_path / "elsewhere")
    shown = mlgit("state", "show", "--format", "json", cwd=moved)
    assert (json.loads(shown.out)["name"], json.loads(shown.out)["ref"]) == (
        "iris-demo",
        "refs/mlgit/iris-demo/default/live",
    )
    assert mlgit("init", "elsewhere", cwd=tmp_path).code == 1


def test_local_files_live_in_the_common_git_folder_which_work_trees_share(applied, mlgit):
    """Local files are in the common Git folder, which all work trees share."""
    git(applied, "worktree", "add", "--quiet", "-b", "side", "../side")
    side = applied.parent / "side"
    edit(side, "jobs/sum.yml", "name: sum\n", "name: sum\ndescription: adds up\n")
    applied_commit = commit(side)
    assert mlgit(*APPLY, cwd=side).code == 0
    common = Path(git(side, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    journal = (common / "mlgit/journal-small-default.jsonl").read_text().splitlines()
    assert applied_commit in [json.loads(line).get("commit") for line in journal]
    assert [path for path in (common / "worktrees").rglob("*") if "mlgit" in path.name] == []
    assert not (side / ".mlgit").exists()


def test_the_live_state_is_a_chain_of_commits(state, small, opened):
    """The live state is a chain of commits without merges."""
    other = StateStore(opened(small), "small", LINEAGE)
    since = state.write(WriteBatch(current=(record("a"),)), "a")
    state.write(WriteBatch(current=(record("b"),)), "b", since=since)
    other.write(WriteBatch(current=(record("c"),)), "c", since=since)  # loses the race
    parents = [line.split()[1:] for line in git(small, "rev-list", "--parents", LIVE).splitlines()]
    assert [len(parent) for parent in parents] == [1, 1, 0]


_HEX, _NAME = "[0-9a-f]{2}", "[^/]+"
_SHAPES = {
    "meta": r"meta\.json",
    "current": rf"current/{_HEX}/[a-z]+/{_NAME}\.json",
    "history": rf"history/[a-z]+/{_HEX}/{_NAME}/{_HEX}/{_NAME}\.json",
    "builds": rf"builds/{_HEX}/[0-9a-f]{{40}}\.json",
}


def test_the_tree_of_the_live_state_has_meta_current_history_and_builds(applied):
    """The tree of the live state has `meta.json`, `current/`, `history/` and `builds/`."""
    paths = git(applied, "ls-tree", "-r", "--name-only", LIVE).splitlines()
    shapes = [[name for name, shape in _SHAPES.items() if re.fullmatch(shape, path)] for path in paths]
    assert [path for path, shape in zip(paths, shapes, strict=True) if len(shape) != 1] == []
    assert {name for shape in shapes for name in shape} == {*_SHAPES}


@pytest.mark.parametrize(
    ("path", "read"), [(history_record_path(NUMBERS, "7"), False), (current_record_path(NUMBERS), True)]
)
def test_a_plan_reads_current_records_and_history_on_demand(path, read, applied, mlgit):
    """A plan reads the current records, and the history only on demand."""
    put(applied, path, "no record")
    assert ("[state-corrupt]" in mlgit("plan", cwd=applied).err) is read


def test_a_clone_elsewhere_has_the_history_after_a_fetch(applied, mlgit):
    """A clone has the whole history after a fetch of the refs."""
    git(applied.parent, "clone", "--quiet", str(applied), "other")
    other = applied.parent / "other"
    git(other, "fetch", "--quiet", "origin", "refs/mlgit/*:refs/mlgit/*")
    newest, *_, oldest = git(applied, "rev-list", LIVE).split()
    for command in (["log"], ["log", "data/numbers"], ["list"], ["show", "model/total"], ["diff", oldest, newest]):
        original, cloned = mlgit(*command, cwd=applied), mlgit(*command, cwd=other)
        assert (original.code, cloned.out) == (0, original.out), original.err
    assert mlgit("plan", cwd=other).out.startswith("No changes. ")


def test_the_number_of_git_processes_is_independent_of_the_number_of_records(small, opened, commands):
    """The number of Git processes does not depend on the number of records."""
    counts = []
    for size in (50, 200):
        state = StateStore(opened(small), "small", LINEAGE, f"t{size}")
        before = len(commands())
        state.write(WriteBatch(current=tuple(record(f"d{number}") for number in range(size))), "many")
        assert len([*state.read().current.values()]) == size
        counts.append(len(commands()) - before)
    assert counts[0] == counts[1] > 0


def test_trees_and_objects_are_read_by_git_and_never_by_gitpython(state):
    """Trees and objects are read by Git, never by the slow pure Python code of GitPython."""
    sources = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "reconciler").rglob("*.py")]
    named = {node.attr for tree in sources for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert "execute" in named
    assert not {"traverse", "odb", "GitDB", "iter_commits", "list_traverse"} & named


def test_an_apply_keeps_the_keys_of_a_record_that_it_does_not_know(applied, mlgit):
    """An apply keeps unknown keys of a record."""
    path = current_record_path(SUM)
    put(applied, path, {**json.loads(git(applied, "show", f"{LIVE}:{path}")), "owner": {"team": 1}})
    edit(applied, "jobs/sum.yml", "name: sum\n", "name: sum\ndescription: adds up\n")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    written = json.loads(git(applied, "show", f"{LIVE}:{path}"))
    assert (written["spec"]["description"], written["owner"]) == ("adds up", {"team": 1})


def test_writes_are_batched(small, mlgit):
    """Writes are combined into few commits."""
    names = [f"n{number}" for number in range(12)]
    declaration = SMALL["data/numbers.yml"]
    commit(small, "many", {f"data/{name}.yml": declaration.replace("name: numbers", f"name: {name}") for name in names})
    result = mlgit("apply", "--auto-approve", "--select", "data", cwd=small)
    assert "Applied 13 changes" in result.out, result.out + result.err
    assert int(git(small, "rev-list", "--count", LIVE)) < 4  # one, unless the machine is very slow
