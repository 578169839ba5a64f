from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from workspaces import git

from reconciler.diagnostics import UserError
from reconciler.git import refs
from reconciler.git.repository import open_repository
from reconciler.model import Address, Record, Run, RunStatus
from reconciler.state import paths
from reconciler.state.store import STATE_FORMAT, StateStore, WriteBatch

pytestmark = pytest.mark.fast

HERE = Path(__file__).parent
LINEAGE = "1" * 32
NAMES = ["plain", "a/b/c", "..", "a.b", "é", "日本 語", ".", "x" * 200, "a%2Fb", "%"]


def record(name: str, fingerprint: str = "f", version: str = "1") -> Record:
    return Record(Address("data", name), {"name": name}, fingerprint, "m", 1, version=version)


def run(number: int, job: str = "train") -> Run:
    at = f"2024-01-01T00:00:{number:02}Z"
    return Run(
        f"{job.replace(chr(47), chr(45))}-{number}",
        Address("job", job),
        "t",
        "f",
        number,
        "local",
        RunStatus.COMPLETED,
        submitted_at=at,
    )


@pytest.fixture
def state(small, opened) -> StateStore:
    return StateStore(opened(small), "small", LINEAGE)


def write_many(folder: Path | str, writer: str, count: int) -> None:
    """Write records one by one, concurrently with other writers."""
    repository = open_repository(Path(folder))
    state = StateStore(repository, "small", LINEAGE)
    for number in range(count):
        state.write(WriteBatch(current=(record(f"{writer}-{number}"),)), f"{writer} {number}")
    repository.close()


def code(raised: pytest.ExceptionInfo[UserError]) -> str:
    return raised.value.diagnostics[0].code


def test_a_state_that_was_never_written_is_empty(state):
    live = state.read()
    assert (live.commit, live.applied_commit, dict(live.current)) == ("", "", {})
    assert live.find_run(Address("job", "train"), "x") is None
    assert live.find_version(Address("data", "d"), "1") is None
    assert list(state.runs_of(Address("job", "train"))) == []
    assert list(state.history(10)) == []


def test_records_and_runs_are_read_as_they_were_written_under_any_name(state):
    records = tuple(record(name) for name in NAMES)
    runs = tuple(run(number, name) for number, name in enumerate(NAMES))
    state.write(WriteBatch(current=records, versions=records, runs=runs, meta={"applied": "c"}), "all")
    live = state.read()
    assert dict(live.current) == {record.address: record for record in records}
    assert list(live.current) == sorted(live.current)
    assert [live.find_version(record.address, "1") for record in records] == list(records)
    assert [live.find_run(run.address, run.id) for run in runs] == list(runs)
    assert live.applied_commit == "c"


def test_a_current_record_is_replaced_and_removed_and_its_versions_stay(state):
    old, new = record("d", "old"), record("d", "new", "2")
    state.write(WriteBatch(current=(old,), versions=(old,)), "old")
    state.write(WriteBatch(current=(new,), versions=(new,)), "new")
    assert state.read().current[new.address] == new
    state.write(WriteBatch(removed=(new.address,)), "gone")
    live = state.read()
    assert dict(live.current) == {}
    assert (live.find_version(new.address, "1"), live.find_version(new.address, "2")) == (old, new)


def test_the_state_of_an_older_commit_can_be_read(state):
    state.write(WriteBatch(current=(record("d", "old"),)), "old")
    old_commit = state.read().commit
    state.write(WriteBatch(current=(record("d", "new"),)), "new")
    assert state.read(old_commit).current[Address("data", "d")].fingerprint == "old"


def test_a_snapshot_does_not_change_while_others_write(state):
    state.write(WriteBatch(current=(record("d", "old"),), versions=(record("d", "old"),)), "old")
    live = state.read()
    state.write(WriteBatch(versions=(record("d", "new"),)), "new")
    version = live.find_version(Address("data", "d"), "1")
    assert version is not None
    assert version.fingerprint == "old"


def test_runs_of_a_job_are_listed_oldest_first(state):
    state.write(WriteBatch(runs=tuple(run(number) for number in (3, 1, 2))), "runs")
    state.write(WriteBatch(runs=(run(1, "train-2"), run(1, "trai"))), "others")
    assert [item.id for item in state.runs_of(Address("job", "train"))] == ["train-1", "train-2", "train-3"]


def test_history_lists_authors_and_messages_newest_first(state):
    for word in ("one", "two", "three"):
        state.write(WriteBatch(current=(record(word),)), f"apply: {word}\n\nmore\n")
    commits = list(state.history(2))
    assert [commit.message.splitlines()[0] for commit in commits] == ["apply: three", "apply: two"]
    assert commits[0].author.startswith("Ada ")


def test_targets_and_names_have_states_of_their_own(state):
    other = StateStore(state.repository, "small", LINEAGE, "prod")
    state.write(WriteBatch(current=(record("d"),)), "here")
    assert dict(other.read().current) == {}
    assert state.live_ref == "refs/mlgit/small/default/live"


def test_a_state_of_another_lineage_is_refused_for_reading_and_writing(state):
    state.write(WriteBatch(current=(record("d"),)), "mine")
    other = StateStore(state.repository, "small", "2" * 32)
    with pytest.raises(UserError, match="lineage") as raised:
        other.read()
    assert code(raised) == "state-foreign"
    with pytest.raises(UserError):
        other.write(WriteBatch(current=(record("e"),)), "theirs")
    assert len(state.read().current) == 1


def put(state: StateStore, meta: dict[str, object] | None) -> None:
    base = refs.resolve_ref(state.repository, state.live_ref)
    files = {paths.META_PATH: json.dumps(meta).encode()} if meta else {"other": b"x"}
    commit = refs.commit_files(state.repository, base, files, "by hand")
    refs.update_refs(state.repository, refs.RefUpdate(state.live_ref, commit, base))


def test_a_state_of_a_newer_format_is_refused(state):
    put(state, {"format": STATE_FORMAT + 1, "lineage": LINEAGE})
    with pytest.raises(UserError, match="newer mlgit") as raised:
        state.read()
    assert code(raised) == "state-newer"
    with pytest.raises(UserError):
        state.write(WriteBatch(current=(record("d"),)), "x")


def test_a_ref_that_is_no_state_is_refused(state):
    put(state, None)
    with pytest.raises(UserError, match=r"meta\.json") as raised:
        state.read()
    assert code(raised) == "state-corrupt"


def test_writing_keeps_unknown_keys_of_the_metadata(state):
    put(state, {"format": STATE_FORMAT, "lineage": LINEAGE, "name": "small", "owner": "team"})
    state.write(WriteBatch(current=(record("d"),), meta={"applied": "c"}), "x")
    shown = json.loads(git(state.repository.top, "show", f"{state.live_ref}:{paths.META_PATH}"))
    assert shown == {"applied": "c", "format": STATE_FORMAT, "lineage": LINEAGE, "name": "small", "owner": "team"}


def test_a_write_changes_only_the_files_of_its_records(state):
    state.write(WriteBatch(current=tuple(record(f"d{n}") for n in range(50)), meta={"applied": "c"}), "many")
    state.write(WriteBatch(current=(record("d7", "new"),)), "one")
    changed = git(state.repository.top, "diff", "--name-only", f"{state.live_ref}~1", state.live_ref).split()
    assert changed == [paths.current_record_path(Address("data", "d7"))]


def test_an_applied_commit_is_kept_reachable(state):
    head = state.repository.head()
    state.pin_source_commit(head)
    state.pin_source_commit(head)
    assert git(state.repository.top, "rev-parse", state.ref_store.ref_name(f"sources/{head}")) == head


@pytest.mark.slow
def test_reading_writes_nothing(small, mlgit, state):
    assert mlgit("apply", "--auto-approve", "--wait", cwd=small).code == 0
    refs_before = git(small, "for-each-ref")
    for command in (["plan"], ["status"], ["list"], ["log"], ["show", "model/total"], ["job", "list"], ["validate"]):
        assert mlgit(*command, cwd=small).code == 0
    assert git(small, "for-each-ref") == refs_before
    assert git(small, "status", "--porcelain") == ""


@pytest.mark.slow
def test_many_threads_that_write_different_records_all_end_in_the_state(small, state):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: write_many(small, f"w{writer}", 5), range(4)))
    names = {item.name for item in state.read().current}
    assert names == {f"w{writer}-{number}" for writer in range(4) for number in range(5)}
    assert len(list(state.history(100))) == 20


@pytest.mark.slow
def test_many_processes_that_write_different_records_all_end_in_the_state(small, state):
    script = "import sys; sys.path[:0] = [sys.argv[1]]; import test_state; test_state.write_many(*sys.argv[2:4], 5)"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-c", script, str(HERE), str(small)]
    started = [subprocess.Popen([*command, f"p{n}"], env=environment) for n in range(4)]
    assert [item.wait(120) for item in started] == [0] * 4
    names = {item.name for item in state.read().current}
    assert names == {f"p{writer}-{number}" for writer in range(4) for number in range(5)}
