"""mlgit gc: what of the store nothing reaches is shown, and removed on demand."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, put

from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow
LINEAGE = "1" * 32
GONE = "9" * 32


@pytest.fixture
def applied(applied):
    """Let the store of the copied workspace know nothing of the one that it was copied from."""
    for name in store_of(applied).list("states/"):
        store_of(applied).delete(name)
    return applied


def store_of(workspace: Path) -> FolderStore:
    return FolderStore(workspace / ".mlgit/store")


def age(workspace: Path, days: float = 100) -> None:
    modified = time.time() - days * 86400
    for path in (workspace / ".mlgit/store/files/md5").rglob("*"):
        if path.is_file():
            os.utime(path, (modified, modified))


def digests(workspace: Path) -> set[str]:
    return {item.digest for item in store_of(workspace).objects()}


def put_garbage(workspace: Path) -> str:
    (workspace / "garbage").write_text("garbage")
    with (workspace / "garbage").open("rb") as file:
        digest = store_of(workspace).put_file("garbage", file).digest
    (workspace / "garbage").unlink()
    return digest


def collect(mlgit, workspace: Path, *options: str) -> dict:
    result = mlgit("gc", "--format", "json", *options, cwd=workspace)
    assert result.code == 0, result.err
    return json.loads(result.out)


def garbage_of(document: dict) -> set[str]:
    return {digest for item in document["garbage"] for digest in item["digests"]}


def assert_intact(mlgit, workspace: Path) -> None:
    result = mlgit("verify", "--deep", cwd=workspace)
    assert result.code == 0, result.out
    assert mlgit("plan", "--detailed-exitcode", "--refresh", cwd=workspace).code == 0


def test_what_is_young_or_recorded_is_no_garbage(applied, mlgit, golden):
    put_garbage(applied)
    result = mlgit("gc", cwd=applied)
    assert (result.code, result.err) == (0, "")
    golden("cli/gc/nothing.txt", mask_sizes(result.out))
    assert mlgit("gc", "--remove", cwd=applied).out == result.out


def test_garbage_is_shown_and_nothing_is_removed_without_being_asked(applied, mlgit, golden):
    put_garbage(applied)
    age(applied)
    before = digests(applied)
    result = mlgit("gc", cwd=applied)
    assert (result.code, result.err) == (0, "")
    golden("cli/gc/garbage.txt", mask_sizes(result.out))
    assert digests(applied) == before


def test_only_garbage_is_removed_and_everything_recorded_is_intact(applied, mlgit, golden):
    digest = put_garbage(applied)
    age(applied)
    result = mlgit("gc", "--remove", cwd=applied)
    assert (result.code, result.err) == (0, "")
    golden("cli/gc/removed.txt", mask_sizes(result.out))
    assert digest not in digests(applied)
    (memo,) = store_of(applied).list("staged/")  # of the data; that of the code went with it
    assert memo.startswith("staged/blob.")
    assert_intact(mlgit, applied)
    assert mlgit(*APPLY, "--replace", "job/sum", cwd=applied).code == 0
    assert_intact(mlgit, applied)


def test_json_has_the_same_and_the_keys_of_the_garbage(applied, mlgit):
    digest = put_garbage(applied)
    age(applied)
    shown = collect(mlgit, applied)
    removed = collect(mlgit, applied, "--remove")
    assert digest in garbage_of(shown)
    assert (shown["removed"], garbage_of(removed)) == (None, garbage_of(shown))
    assert removed["removed"] == {"objects": len(garbage_of(shown)), "size": sum(x["size"] for x in shown["garbage"])}
    assert garbage_of(collect(mlgit, applied)) == set()


def test_days_and_history_are_options(applied, mlgit):
    digest = put_garbage(applied)
    age(applied, days=10)
    assert digest not in garbage_of(collect(mlgit, applied))
    assert digest in garbage_of(collect(mlgit, applied, "--days", "9"))
    assert mlgit("gc", "--days", "0.5", cwd=applied).code == 1


def test_an_archived_version_and_an_older_one_are_kept(applied, mlgit):
    edit(applied, "data/numbers.csv", "3\n", "4\n")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    (applied / "models/total.yml").unlink()
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    age(applied)
    mlgit("gc", "--remove", cwd=applied)
    assert_intact(mlgit, applied)


def test_what_the_state_had_within_the_history_is_kept_and_older_is_garbage(applied, mlgit):
    """A commit of the state that is older than the history, after which a record of another kind was dropped."""
    digest = put_garbage(applied)
    put(applied, "extra/thing.json", {"contents": {"md5": digest}})
    age(applied)
    assert digest not in garbage_of(collect(mlgit, applied))
    drop(applied, "extra/thing.json")
    document = collect(mlgit, applied)
    assert digest not in garbage_of(document)
    assert {"reason": "earlier commits of the live state", "objects": 1, "size": 7} in document["kept"]
    document = collect(mlgit, applied, "--history", "0")
    (item,) = [item for item in document["garbage"] if digest in item["digests"]]
    assert item["cause"] == "of records that the live state has no longer"


def drop(workspace: Path, path: str) -> None:
    """Remove a file from the live state, in a commit that follows the others by a second."""
    ref = "refs/mlgit/small/default/live"
    time.sleep(1.1)
    index = {"GIT_INDEX_FILE": str(workspace / ".git/other-index")}
    os.environ |= index
    try:
        git(workspace, "read-tree", ref)
        git(workspace, "rm", "--cached", "--quiet", "--ignore-unmatch", "--", path)
        tree = git(workspace, "write-tree")
    finally:
        del os.environ["GIT_INDEX_FILE"]
    git(workspace, "update-ref", ref, git(workspace, "commit-tree", tree, "-p", ref, "-m", "dropped"))
    time.sleep(1.1)


def test_entries_that_name_a_content_keep_it_whatever_their_group(applied, mlgit):
    digest = put_garbage(applied)
    store_of(applied).create("later/abc", json.dumps({"md5": digest}).encode())
    age(applied)
    assert digest not in garbage_of(collect(mlgit, applied, "--remove"))
    store_of(applied).delete("later/abc")
    assert digest in garbage_of(collect(mlgit, applied, "--remove"))


@pytest.mark.parametrize("name", ["fetched/abc", "reuse/target.abc"])
def test_what_is_only_for_reuse_is_kept_for_some_days_after_its_last_use(applied, mlgit, golden, name):
    digest, store = put_garbage(applied), store_of(applied)
    store.create(name, json.dumps({"md5": digest}).encode())
    age(applied, days=80)
    assert digest not in garbage_of(collect(mlgit, applied, "--remove"))
    age(applied, days=100)
    edit(applied, "mlgit.yml", "store:", "keep_reusable: 120\nstore:")
    assert digest not in garbage_of(collect(mlgit, applied, "--remove"))
    edit(applied, "mlgit.yml", "keep_reusable: 120", "keep_reusable: 99")
    put(applied, "extra/thing.json", {"contents": {"md5": digest}})
    assert digest not in garbage_of(collect(mlgit, applied, "--remove"))  # a record names it
    assert store.list(name) == (name,)
    drop(applied, "extra/thing.json")
    golden("cli/gc/unused.txt", mask_sizes(mlgit("gc", "--history", "0", cwd=applied).out))
    assert digest in garbage_of(collect(mlgit, applied, "--remove", "--history", "0"))
    assert (store.list(name), digest in digests(applied)) == ((), False)


def run_folders(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / ".mlgit/store/runs").iterdir())


def age_runs(workspace: Path, days: float = 100) -> None:
    modified = time.time() - days * 86400
    for path in (workspace / ".mlgit/store/runs").rglob("*"):
        os.utime(path, (modified, modified), follow_symlinks=False)
    for path in (workspace / ".mlgit/store/runs").iterdir():
        os.utime(path, (modified, modified))


def test_the_folder_of_a_run_whose_end_is_recorded_goes_after_some_days(applied, mlgit, golden):
    (name,) = run_folders(applied)
    assert mlgit("job", "logs", "sum", cwd=applied).code == 0
    age_runs(applied, days=20)
    assert collect(mlgit, applied, "--remove")["run_folders"]["garbage"] == []
    assert collect(mlgit, applied, "--runs", "19")["run_folders"]["garbage"][0]["folders"] == 1
    age_runs(applied)
    golden("cli/gc/run-folders.txt", mask_sizes(mlgit("gc", cwd=applied).out))
    assert run_folders(applied) == [name]
    golden("cli/gc/run-folders-removed.txt", mask_sizes(mlgit("gc", "--remove", cwd=applied).out))
    assert (run_folders(applied), list((applied / ".mlgit/store/removed").iterdir())) == ([], [])
    logs = mlgit("job", "logs", "sum", cwd=applied)
    assert (logs.code, "[run-files-gone]" in logs.err) == (1, True)
    assert_intact(mlgit, applied)


def test_the_folder_of_a_run_that_goes_on_or_that_no_state_knows_stays(applied, mlgit, golden):
    (name,) = run_folders(applied)
    runs = applied / ".mlgit/store/runs"
    for other in ("active", "unknown"):
        shutil.copytree(runs / name, runs / other)
        spec = json.loads((runs / other / "spec.json").read_text())
        (runs / other / "spec.json").write_text(json.dumps({**spec, "token": other}))
    put(applied, "extra/run.json", {"token": "active"})
    age_runs(applied)
    with (runs / "active" / "alive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        golden("cli/gc/run-folders-kept.txt", mask_sizes(mlgit("gc", "--remove", cwd=applied).out))
    assert run_folders(applied) == ["active", "unknown"]
    collect(mlgit, applied, "--remove")
    assert run_folders(applied) == ["unknown"]
    put(applied, "extra/run.json", {"token": "unknown"})
    drop(applied, "extra/run.json")
    collect(mlgit, applied, "--remove", "--history", "0")  # the live state has had it
    assert run_folders(applied) == []


def test_the_folder_of_an_unfinished_run_stays_and_what_a_killed_removal_has_left_goes(applied, mlgit):
    (name,) = run_folders(applied)
    files = git(applied, "ls-tree", "-r", "--name-only", "refs/mlgit/small/default/live").splitlines()
    path = next(path for path in files if path.startswith("history/job/"))
    record = json.loads(git(applied, "show", f"refs/mlgit/small/default/live:{path}"))
    put(applied, path, {**record, "status": "running"})
    age_runs(applied)
    left = applied / ".mlgit/store/removed/half"
    shutil.copytree(applied / ".mlgit/store/runs" / name, left)
    (item,) = collect(mlgit, applied, "--remove")["run_folders"]["garbage"]
    assert (item["cause"], item["paths"]) == ("left by a removal that was interrupted", [str(left)])
    assert (run_folders(applied), left.exists()) == ([name], False)


def mask_sizes(text: str) -> str:
    """Mask the sizes of the folders of runs, which have paths and times in them."""
    head, title, rest = text.partition("Run folders ")
    return head + title + re.sub(r" +\d[\d.,]* (bytes|KiB|kB|MiB|MB)\b", " <size>", rest)


def test_a_run_that_no_state_has_goes_with_its_entries(applied, mlgit):
    digest, store = put_garbage(applied), store_of(applied)
    graph = json.dumps({"run": "x", "host": "h", "graph": {"md5": digest}}).encode()
    for token in ("known", "unknown"):
        store.create(f"graphs/{token}", graph)
        store.create(f"events/{token}.000001", b"{}")
    put(applied, "extra/run.json", {"token": "known"})
    age(applied)
    collect(mlgit, applied, "--remove")
    assert store.list("graphs/") == ("graphs/known", "graphs/unknown")  # both name the graph, and one is known
    for path in ("graphs/known", "events/known.000001"):
        store.delete(path)
    collect(mlgit, applied, "--remove")
    assert (store.list("graphs/"), store.list("events/")) == ((), ())
    assert digest not in digests(applied)


def test_nothing_that_was_stored_since_an_unfinished_run_was_submitted_is_garbage(applied, mlgit, golden):
    digest = put_garbage(applied)
    files = git(applied, "ls-tree", "-r", "--name-only", "refs/mlgit/small/default/live").splitlines()
    path = next(path for path in files if path.startswith("history/job/"))
    record = json.loads(git(applied, "show", f"refs/mlgit/small/default/live:{path}"))
    put(applied, path, {**record, "status": "running", "submitted_at": "2020-01-01T00:00:00Z"})
    age(applied)
    result = mlgit("gc", cwd=applied)
    golden("cli/gc/unfinished.txt", mask_sizes(result.out))
    put(applied, path, {**record, "status": "running", "submitted_at": "garbled"})
    assert garbage_of(collect(mlgit, applied)) == set()
    put(applied, path, record)
    assert digest in garbage_of(collect(mlgit, applied))


def test_a_run_that_cannot_be_read_is_an_error_and_nothing_is_removed(applied, mlgit):
    put_garbage(applied)
    put(applied, "history/job/00/x/00/y.json", {"id": "y"})
    age(applied)
    before = digests(applied)
    result = mlgit("gc", "--remove", cwd=applied)
    assert (result.code, "[state-corrupt]" in result.err) == (1, True)
    assert digests(applied) == before


def test_a_kept_folder_whose_list_is_damaged_prevents_removal(applied, mlgit):
    put_garbage(applied)
    age(applied)
    (path,) = (
        path for path in (applied / ".mlgit/store/files/md5").rglob("*.dir") if is_recorded(mlgit, applied, path)
    )
    path.chmod(0o644)
    path.write_text("[]")
    age(applied)
    result = mlgit("gc", "--remove", cwd=applied)
    assert result.code == 1
    assert "so its files are not known" in result.err


def is_recorded(mlgit, workspace: Path, path: Path) -> bool:
    return f"{path.parent.name}{path.name}" not in garbage_of(collect(mlgit, workspace))


def make_other(applied: Path, mlgit) -> Path:
    """Make a copy with a live state of its own that shares the store, and has data that the first does not have."""
    other = applied.parent / "other"
    shutil.copytree(applied, other)
    shutil.rmtree(other / ".mlgit")
    edit(other, "mlgit.yml", "store: {path: .mlgit/store}", f"store: {{path: {applied}/.mlgit/store}}")
    edit(other, "data/numbers.csv", "3\n", "33\n")
    commit(other)
    assert mlgit(*APPLY, cwd=other).code == 0
    return other


def test_what_another_live_state_of_the_store_needs_is_kept(applied, mlgit):
    other = make_other(applied, mlgit)
    age(applied)
    document = collect(mlgit, applied, "--remove")
    assert "other live states" in [item["reason"] for item in document["kept"]]
    assert_intact(mlgit, other)
    assert_intact(mlgit, applied)


def test_a_live_state_that_cannot_be_read_prevents_removal_until_it_is_forgotten(applied, mlgit, golden):
    other = make_other(applied, mlgit)
    shutil.rmtree(other)
    age(applied)
    before = digests(applied)
    shown = mlgit("gc", cwd=applied)
    assert shown.code == 0
    refused = mlgit("gc", "--remove", cwd=applied)
    golden("cli/gc/unreadable.txt", mask_host(mask_sizes(refused.out + refused.err)))
    assert (refused.code, digests(applied)) == (1, before)
    unknown = mlgit("gc", "--forget-state", GONE, cwd=applied)
    assert (unknown.code, "[state-unknown]" in unknown.err) == (1, True)
    assert mlgit("gc", "--remove", "--forget-state", LINEAGE, cwd=applied).code == 0
    assert digests(applied) < before
    assert_intact(mlgit, applied)


def mask_host(text: str) -> str:
    return text.replace(f" on {os.environ.get('MLGIT_HOST') or os.uname().nodename} ", " on <host> ")


def test_a_remote_that_does_not_answer_prevents_removal(applied, mlgit):
    remote = applied.parent / "remote.git"
    git(applied, "init", "--quiet", "--bare", str(remote))
    git(applied, "remote", "add", "origin", str(remote))
    edit(applied, "mlgit.yml", 'lineage: "', 'remote: origin, lineage: "')
    edit(applied, "mlgit.yml", "backends: {local: {type: local}}", "backends: {local: {type: local, host: here}}")
    edit(applied, "mlgit.yml", "store: {path: .mlgit/store}", "store: {path: .mlgit/store, host: here}")
    edit(applied, "data/numbers.csv", "3\n", "5\n")
    commit(applied)
    os.environ["MLGIT_HOST"] = "here"
    try:
        assert mlgit(*APPLY, cwd=applied).code == 0
        put_garbage(applied)
        age(applied)
        remote.rename(applied.parent / "away.git")
        before = digests(applied)
        assert mlgit("gc", "--remove", cwd=applied).code == 1
        assert digests(applied) == before
        (applied.parent / "away.git").rename(remote)
        assert mlgit("gc", "--remove", cwd=applied).code == 0
        assert digests(applied) < before
        assert_intact(mlgit, applied)
    finally:
        del os.environ["MLGIT_HOST"]


def test_a_machine_without_the_store_says_where_it_is(applied, mlgit):
    edit(applied, "mlgit.yml", "store: {path: .mlgit/store}", "store: {path: .mlgit/store, host: elsewhere}")
    result = mlgit("gc", cwd=applied)
    assert (result.code, "[store-elsewhere]" in result.err) == (1, True)
