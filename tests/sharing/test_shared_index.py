"""The plan index is shared next to the live state: a clone that has never planned parses only changed files."""

from __future__ import annotations

import json
import shutil

import pytest
from workspaces import APPLY, commit, edit, git

from reconciler.project import shared_index

pytestmark = pytest.mark.slow

INDEX = "refs/mlgit/small/default/index/"


@pytest.fixture(autouse=True)
def share_small_indexes(monkeypatch):
    """Let small workspaces share their index too."""
    monkeypatch.setattr(shared_index, "_MIN_ASSETS_TO_SHARE", 1)


@pytest.fixture
def applied(without_job, mlgit, read):
    """Return the team after its first apply."""
    assert mlgit(*APPLY, cwd=without_job.first).code == 0
    read.clear()
    return without_job


def index_refs(team) -> list[str]:
    return git(team.origin, "for-each-ref", "--format=%(refname)", INDEX).splitlines()


def body(mlgit, folder):
    ended = mlgit("plan", "--format", "json", cwd=folder)
    events = [json.loads(line) for line in ended.out.splitlines()]
    return [ended.code, *({name: event[name] for name in event if name != "time"} for event in events)]


@pytest.mark.parametrize(
    "options", [(), ("--depth", "1"), ("--filter=blob:none",)], ids=["complete", "shallow", "partial"]
)
def test_a_fresh_clone_parses_only_what_has_changed_since_the_last_apply(options, applied, mlgit, read):
    edit(applied.first, "data/numbers.csv", "1\n", "7\n")
    commit(applied.first)
    git(applied.first, "push", "--quiet", "origin", "HEAD:main")
    clone = applied.clone("second", "--branch", "main", *options)
    assert "Plan: 1 change" in mlgit("plan", cwd=clone).out
    assert read == ["data/numbers.yml"]


def test_a_plan_from_the_shared_index_equals_a_full_plan(applied, mlgit, read, monkeypatch):
    edit(applied.first, "data/numbers.csv", "1\n", "7\n")
    commit(applied.first)
    git(applied.first, "push", "--quiet", "origin", "HEAD:main")
    incremental_plan = body(mlgit, applied.clone("second", "--branch", "main"))
    read.clear()
    monkeypatch.setattr(shared_index, "load_index", lambda _: None)
    full_plan = body(mlgit, applied.clone("third", "--branch", "main"))
    assert incremental_plan == full_plan
    assert len(read) > 1


def test_a_fresh_clone_without_changes_parses_no_file(applied, mlgit, read):
    clone = applied.clone("second", "--branch", "main")
    assert mlgit("plan", cwd=clone).out.startswith("No changes. ")
    assert read == []


def test_there_is_one_shared_index_and_it_is_replaced_only_after_many_changes(applied, mlgit, monkeypatch):
    before = index_refs(applied)
    assert len(before) == 1
    monkeypatch.setattr(shared_index, "_MAX_CHANGED_SHARE", 9.0)
    edit(applied.first, "data/numbers.csv", "1\n", "7\n")
    commit(applied.first)
    assert mlgit(*APPLY, cwd=applied.first).code == 0
    assert index_refs(applied) == before
    monkeypatch.setattr(shared_index, "_MAX_CHANGED_SHARE", 0.02)
    edit(applied.first, "data/numbers.csv", "7\n", "8\n")
    commit(applied.first)
    assert mlgit(*APPLY, cwd=applied.first).code == 0
    assert len(index_refs(applied)) == 1
    assert index_refs(applied) != before


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\n",
        b"[]\n",
        b'["k","t","s",[],[]]\n[1]\n',
        b'["KEY","TREE","STATE",[],[]]\nnot json\n',
        b'["KEY","TREE","STATE",[],[]]\n["data/numbers.yml","data/numbers",0,true,[],[],[[1]]]\n',
        b'["KEY","TREE","STATE",[],[]]\n["data/numbers.yml",7,0,true,[],[],[]]\n',
        b'["KEY","TREE","STATE",[1],[]]\n',
        b'["KEY","--output=forged","STATE",[],[]]\n',
        b'["KEY","TREE","STATE",[""],[]]\n',
        b'["KEY","TREE","STATE",[],[]]\n["data/numbers.yml","data/numbers",%d,true,[],[],[]]\n' % 10**30,
        b'["KEY","TREE","STATE",[],[]]\n["a.yml","data/a",0,true,[],[],[[["c"],"m",null,"","error"]]]\n',
        b'["KEY","TREE","STATE",[],[]]\n["a.yml","data/a",0,true,[],[],[["c","m",["a\\n",1,1],"","error"]]]\n',
        b'["KEY","TREE","STATE",[],[]]\n["a.yml","data/a",0,true,[],[],[["c","m",["a","x",1],"","error"]]]\n',
        b'["KEY","TREE","STATE",[],[]]\n' + b"[" * 100_000,
    ],
    ids=range(15),
)
def test_an_invalid_shared_index_is_ignored(garbage, applied, mlgit):
    expected = body(mlgit, applied.clone("second", "--branch", "main"))
    (ref,) = index_refs(applied)
    key, tree, state, *_ = json.loads(git(applied.origin, "show", f"{ref}:index").splitlines()[0])
    for name, value in (("KEY", key), ("TREE", tree), ("STATE", state)):
        garbage = garbage.replace(name.encode(), value.encode())
    forged = applied.folder / "forged"
    forged.mkdir()
    git(forged, "init", "--quiet")
    (forged / "index").write_bytes(garbage)
    forged_commit = commit(forged)
    git(applied.origin, "fetch", "--quiet", str(forged), "HEAD")
    git(applied.origin, "update-ref", ref, forged_commit)
    third = applied.clone("third", "--branch", "main")
    assert body(mlgit, third) == expected
    assert git(third, "status", "--short") == ""


def test_an_apply_whose_remote_rejects_the_shared_index_succeeds_with_a_warning(without_job, mlgit):
    without_job.hook("update", f'case "$1" in {INDEX}*) echo "no index here" >&2; exit 1;; esac')
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 0
    assert "the plan index was not shared: the remote origin does not take the live state" in ended.err
    assert mlgit("plan", cwd=without_job.first).out.startswith("No changes. ")


def test_the_index_of_a_folder_is_not_used_for_an_identical_folder(without_job, mlgit):
    team = without_job
    files = [path for path in team.first.iterdir() if path.name != ".git"]
    for folder in ("a", "b"):
        for file in files:
            if file.is_dir():
                shutil.copytree(file, team.first / folder / file.name)
            else:
                (team.first / folder).mkdir(exist_ok=True)
                shutil.copy(file, team.first / folder)
    git(team.first, "rm", "-r", "--quiet", *(file.name for file in files))
    commit(team.first)
    assert mlgit(*APPLY, cwd=team.first / "a").code == 0
    edit(team.first, "b/data/numbers.csv", "1\n", "7\n")
    commit(team.first)
    assert mlgit(*APPLY, cwd=team.first / "a").code == 0
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    clone = team.clone("second", "--branch", "main")
    assert "Plan: 1 change" in mlgit("plan", cwd=clone / "b").out
