"""An incremental plan is equal to a full plan, whatever has changed since the last one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workspaces import SMALL, edit, git

from reconciler.git.repository import open_repository
from reconciler.model import Address
from reconciler.source.cache import CACHE_FILE, Cache
from reconciler.state.store import StateStore, WriteBatch

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: uri_file\npath: {}\n"
MODEL = (
    "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: {}\ntype: custom_model\npath: {}\n"
)
JOB = """$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
name: {}
command: python sum.py ${{{{inputs.numbers}}}}
code: ../src
environment: azureml:plain@latest
compute: local
inputs:
  numbers: {{type: uri_file, path: azureml:{}@latest}}
"""
# The contents that a file may get; "" deletes it, "-> x" makes it a link to x.
FILES = {
    "data/numbers.csv": ["n\n1\n", "n\n2\n", "-> ../src/notes.txt", ""],
    "src/link.txt": ["-> notes.txt", "-> ../data/numbers.csv", "-> nowhere", ""],
    "data/numbers.yml": [
        DATA.format("numbers", "numbers.csv"),
        DATA.format("numbers", "numbers.csv") + "description: d\n",
        DATA.format("numbers", "numbers.csv") + "version: 7\n",
        DATA.format("others", "numbers.csv"),
        DATA.format("Numbers", "numbers.csv"),
        DATA.format("numbers", "azureml://datastores/s/paths/p"),
        "",
    ],
    "data/more.yml": [DATA.format("more", "numbers.csv"), DATA.format("numbers", "numbers.csv"), "name: [\n", ""],
    "environments/plain.yml": [
        "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: plain\nimage: python\n"
        f"conda_file: {conda_file}\n"
        for conda_file in ('{dependencies: ["python>=3.11"]}', '{dependencies: ["python>=3.12"]}', "conda.txt")
    ],
    "environments/conda.txt": ["dependencies: [python]\n", "dependencies: [pip]\n", ""],
    "jobs/sum.yml": [
        JOB.format("sum", "numbers"),
        JOB.format("sum", "more"),
        JOB.format("sum", "others"),
        JOB.format("sum", "numbers") + "outputs: {total: {name: made}, best: {type: mlflow_model, name: best}}\n",
        JOB.format("sum", "numbers") + "outputs: {total: {type: custom_model, name: total}}\n",
        "",
    ],
    "jobs/second.yml": [
        JOB.format("second", "numbers"),
        JOB.format("second", "more"),
        JOB.format("second", "made") + "outputs: {total: {name: More}}\n",
        "",
    ],
    "src/sum.py": ["print(1)\n", "print(2)\n"],
    "src/.amlignore": ["*.txt\n", ""],
    "src/notes.txt": ["a\n", "b\n", ""],
    "models/total.yml": [
        MODEL.format("total", "azureml://jobs/sum/outputs/total"),
        MODEL.format("total", "../src"),
        MODEL.format("total", "../data/numbers.csv"),
        "",
    ],
    "inner/mlgit.yml": ["state: {name: inner, lineage: '22222222222222222222222222222222'}\n", ""],
    "inner/data.yml": [DATA.format("inner", "x"), ""],
}
ADDRESSES = [
    Address("data", "numbers"),
    Address("job", "sum"),
    Address("model", "total"),
    Address("data", "made"),
    Address("environment", "plain"),
]
SETTINGS = ["retries: 1\n", "protect: [data/*]\n", "rules: {path-missing: warning}\n", ""]
EDITS = [("settings", line) for line in SETTINGS]
EDITS += [("file", name, text) for name, texts in FILES.items() for text in texts]
RECORD_CHANGES = ("archive", "restore", "remove", "replace")
LIVE = [("live", address, change) for address in ADDRESSES for change in RECORD_CHANGES]
STEPS = st.lists(
    st.sampled_from([*EDITS, *LIVE, ("commit",), ("commit",), ("plan",), ("plan",)]), min_size=1, max_size=6
)


def put_file(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if text.startswith("-> "):
        path.symlink_to(text.removeprefix("-> "))
    elif text:
        path.write_text(text, encoding="utf-8")


def change_record(folder: Path, address: Address, change: str) -> None:
    """Change the record of an address as another apply might."""
    repository = open_repository(folder)
    store = StateStore(repository, "small", "1" * 32)
    record = store.read().current.get(address)
    if record is not None:
        if change == "remove":
            batch = WriteBatch(removed=(address,))
        elif change == "replace":
            batch = WriteBatch(current=(replace(record, fingerprint="0" * 40, spec={"path": "x"}),))
        else:
            batch = WriteBatch(current=(replace(record, archived=change == "archive"),))
        store.write(batch, change)
    repository.close()


def plan_events(mlgit, folder: Path) -> list[object]:
    ended = mlgit("plan", "--allow-submit", "9", "--allow-mass-delete", "--format", "json", cwd=folder)
    events = [json.loads(line) for line in ended.out.splitlines()]
    return [ended.code, *({name: event[name] for name in event if name != "time"} for event in events)]


def check_plans_are_equal(mlgit, folder: Path) -> None:
    """Plan with the cache and without; the next plan uses the cache that the first of the two wrote."""
    cache, moved_cache = folder / ".git/mlgit" / CACHE_FILE, folder / ".git/moved_cache"
    incremental_plan = plan_events(mlgit, folder)
    if cache.exists():
        cache.replace(moved_cache)
    full_plan = plan_events(mlgit, folder)
    cache.unlink(missing_ok=True)
    if moved_cache.exists():
        moved_cache.replace(cache)
    assert incremental_plan == full_plan


def run_step(mlgit, folder: Path, step: tuple) -> None:
    match step:
        case ("file", name, text):
            put_file(folder, name, text)
        case ("settings", line):
            put_file(folder, "mlgit.yml", textwrap.dedent(SMALL["mlgit.yml"]).lstrip("\n") + line)
        case ("live", address, change):
            change_record(folder, address, change)
        case ("commit",):
            git(folder, "add", "--all")
            git(folder, "commit", "--quiet", "--allow-empty", "-m", "c")
        case _:
            check_plans_are_equal(mlgit, folder)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_an_incremental_plan_is_equal_to_a_full_plan(applied, mlgit, tmp_path, steps):
    folder = tmp_path / "workspace"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(applied, folder)
    check_plans_are_equal(mlgit, folder)
    for step in steps:
        run_step(mlgit, folder, step)
    check_plans_are_equal(mlgit, folder)
    run_step(mlgit, folder, ("commit",))
    check_plans_are_equal(mlgit, folder)


def test_a_plan_after_one_edit_parses_only_what_depends_on_it(applied, mlgit, read):
    mlgit("plan", cwd=applied)
    read.clear()
    put_file(applied, "models/other.yml", MODEL.format("other", "../data/numbers.csv"))
    assert "Plan: 1 change" in mlgit("plan", cwd=applied).out
    assert read == ["models/other.yml"]
    read.clear()
    put_file(applied, "models/other.yml", "")
    put_file(applied, "src/sum.py", "print()\n")
    assert "new run of job/sum" in mlgit("plan", cwd=applied).out
    assert read == ["jobs/sum.yml"]  # what refers to it has not changed, and is read from the cache


def test_no_file_is_parsed_if_nothing_changed(applied, mlgit, read, monkeypatch):
    first = mlgit("plan", cwd=applied)
    monkeypatch.setattr("reconciler.project.plan.plan_incrementally", lambda *_: pytest.fail("a plan was made"))
    read.clear()
    assert mlgit("plan", cwd=applied) == first
    assert read == []


def test_a_damaged_or_deleted_cache_changes_no_plan(applied, mlgit):
    first = mlgit("plan", "--format", "json", cwd=applied)
    cache = applied / ".git/mlgit" / CACHE_FILE
    cache.write_bytes(b"not a database")
    assert mlgit("plan", cwd=applied).code == first.code == 0
    cache.unlink(missing_ok=True)
    assert mlgit("plan", cwd=applied).code == 0
    assert cache.exists()


def test_a_missing_output_of_an_unaffected_job_is_an_error(applied, mlgit):
    mlgit("plan", cwd=applied)
    edit(applied, "models/total.yml", "outputs/total", "outputs/totl")
    incremental_plan = mlgit("plan", cwd=applied)
    shutil.rmtree(applied / ".git/mlgit")
    assert incremental_plan == mlgit("plan", cwd=applied)
    assert "job/sum has no output totl" in incremental_plan.err


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE index_files SET diagnostics = '{'",
        "UPDATE index_files SET diagnostics = '[[1]]'",
        "UPDATE index_addresses SET address = 'x', level = 'y'",
        "UPDATE index_addresses SET level = 'y'",
        "INSERT INTO index_undeclared SELECT id, 'x' FROM indexes",
        "UPDATE indexes SET nested = '1'",
        "UPDATE indexes SET nested = '[1]'",
        "UPDATE indexes SET tree = 'x'",
        "DROP TABLE index_uses",
    ],
)
def test_a_damaged_index_changes_no_plan(damage, applied, mlgit):
    mlgit("plan", cwd=applied)
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    with closing(sqlite3.connect(applied / ".git/mlgit" / CACHE_FILE)) as database, database:
        database.execute(damage)
    ended = mlgit("plan", cwd=applied)
    assert (ended.code, "new run of job/sum" in ended.out) == (0, True), ended.err


def test_a_plan_that_cannot_update_the_index_leaves_it_as_it_was(applied, mlgit):
    mlgit("plan", cwd=applied)
    cache = Cache(applied / ".git/mlgit")
    before = cache.read("SELECT tree FROM indexes")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    git(applied, "commit", "--quiet", "--all", "-m", "another factor")
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "new run of job/sum" in mlgit("plan", "--format", "json", cwd=applied).out.replace("\\", "")
    assert cache.read("SELECT tree FROM indexes") == before
    mlgit("plan", cwd=applied)
    assert cache.read("SELECT tree FROM indexes") != before
