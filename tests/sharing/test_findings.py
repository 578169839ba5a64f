"""What plans found out is shared beside the live state: a clone that has never planned reads only what has changed."""

from __future__ import annotations

import json
import shutil

import pytest
from workspaces import APPLY, commit, edit, git

from reconciler.project import shared_index

pytestmark = pytest.mark.slow

INDEX = "refs/mlgit/small/default/index/"


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    """Have small workspaces share what they find out, too."""
    monkeypatch.setattr(shared_index, "_MIN_ASSETS_TO_SHARE", 1)


@pytest.fixture
def done(without_job, mlgit, read):
    """Have the workspace applied."""
    assert mlgit(*APPLY, cwd=without_job.first).code == 0
    read.clear()
    return without_job


def published(team) -> list[str]:
    return git(team.origin, "for-each-ref", "--format=%(refname)", INDEX).splitlines()


def body(mlgit, folder):
    ended = mlgit("plan", "--format", "json", cwd=folder)
    events = [json.loads(line) for line in ended.out.splitlines()]
    return [ended.code, *({name: event[name] for name in event if name != "time"} for event in events)]


@pytest.mark.parametrize(
    "options", [(), ("--depth", "1"), ("--filter=blob:none",)], ids=["whole", "shallow", "partial"]
)
def test_a_fresh_clone_reads_only_what_has_changed_since_the_last_apply(options, done, mlgit, read):
    edit(done.first, "data/numbers.csv", "1\n", "7\n")
    commit(done.first)
    git(done.first, "push", "--quiet", "origin", "HEAD:main")
    clone = done.clone("second", "--branch", "main", *options)
    assert "Plan: 1 change" in mlgit("plan", cwd=clone).out
    assert read == ["data/numbers.yml"]


def test_a_plan_from_what_is_shared_is_the_plan_of_everything(done, mlgit, read, monkeypatch):
    edit(done.first, "data/numbers.csv", "1\n", "7\n")
    commit(done.first)
    git(done.first, "push", "--quiet", "origin", "HEAD:main")
    part = body(mlgit, done.clone("second", "--branch", "main"))
    read.clear()
    monkeypatch.setattr(shared_index, "load_index", lambda _: None)
    whole = body(mlgit, done.clone("third", "--branch", "main"))
    assert part == whole
    assert len(read) > 1


def test_nothing_is_read_in_a_fresh_clone_where_nothing_changed(done, mlgit, read):
    clone = done.clone("second", "--branch", "main")
    assert mlgit("plan", cwd=clone).out.startswith("No changes. ")
    assert read == []


def test_there_is_one_of_it_and_it_is_renewed_only_once_much_has_changed(done, mlgit, monkeypatch):
    before = published(done)
    assert len(before) == 1
    monkeypatch.setattr(shared_index, "_MAX_CHANGED_SHARE", 9.0)
    edit(done.first, "data/numbers.csv", "1\n", "7\n")
    commit(done.first)
    assert mlgit(*APPLY, cwd=done.first).code == 0
    assert published(done) == before
    monkeypatch.setattr(shared_index, "_MAX_CHANGED_SHARE", 0.02)
    edit(done.first, "data/numbers.csv", "7\n", "8\n")
    commit(done.first)
    assert mlgit(*APPLY, cwd=done.first).code == 0
    assert len(published(done)) == 1
    assert published(done) != before


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
def test_what_is_shared_and_cannot_be_read_is_as_if_it_were_not_there(garbage, done, mlgit):
    expected = body(mlgit, done.clone("second", "--branch", "main"))
    (ref,) = published(done)
    key, tree, state, *_ = json.loads(git(done.origin, "show", f"{ref}:findings").splitlines()[0])
    for name, value in (("KEY", key), ("TREE", tree), ("STATE", state)):
        garbage = garbage.replace(name.encode(), value.encode())
    forged = done.folder / "forged"
    forged.mkdir()
    git(forged, "init", "--quiet")
    (forged / "findings").write_bytes(garbage)
    made = commit(forged)
    git(done.origin, "fetch", "--quiet", str(forged), "HEAD")
    git(done.origin, "update-ref", ref, made)
    third = done.clone("third", "--branch", "main")
    assert body(mlgit, third) == expected
    assert git(third, "status", "--short") == ""


def test_an_apply_whose_remote_does_not_take_it_says_so_and_has_done_its_work(without_job, mlgit):
    without_job.hook("update", f'case "$1" in {INDEX}*) echo "no index here" >&2; exit 1;; esac')
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 0
    assert "the plan index was not shared: the remote origin does not take the live state" in ended.err
    assert mlgit("plan", cwd=without_job.first).out.startswith("No changes. ")


def test_the_findings_of_one_folder_are_not_those_of_another_that_is_like_it(without_job, mlgit):
    team = without_job
    there = [path for path in team.first.iterdir() if path.name != ".git"]
    for folder in ("a", "b"):
        for file in there:
            if file.is_dir():
                shutil.copytree(file, team.first / folder / file.name)
            else:
                (team.first / folder).mkdir(exist_ok=True)
                shutil.copy(file, team.first / folder)
    git(team.first, "rm", "-r", "--quiet", *(file.name for file in there))
    commit(team.first)
    assert mlgit(*APPLY, cwd=team.first / "a").code == 0
    edit(team.first, "b/data/numbers.csv", "1\n", "7\n")
    commit(team.first)
    assert mlgit(*APPLY, cwd=team.first / "a").code == 0
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    clone = team.clone("second", "--branch", "main")
    assert "Plan: 1 change" in mlgit("plan", cwd=clone / "b").out
