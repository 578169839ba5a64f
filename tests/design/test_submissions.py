"""The design's section 5 on submissions, the journal, the store and hosts, sentence by sentence.

Not there yet, and held by no test: "Each state writes its roots into the store; gc keeps the union of all roots ..."
"""

from __future__ import annotations

import json
import os

import pytest
from design.held import missing
from workspaces import commit, edit, git, write

from reconciler.state.journal import Journal
from reconciler.storage.object_store import ObjectStore

ELSEWHERE = {
    "Submitted at least once": (
        "tests/engine/test_crashes.py::test_a_run_whose_submission_was_killed_is_executed_once"
    ),
    "executed at most once": ("tests/engine/test_locks.py::test_a_submission_finished_by_two_applies_is_executed_once"),
    "`token = H(lineage, address, fingerprint, attempt)`": (
        "tests/planning/test_fingerprint.py::test_a_token_is_for_one_attempt_on_one_thing_in_one_lineage"
    ),
    "it goes into the run's name": ("tests/planning/test_runs.py::test_a_run_is_named_after_its_job_and_its_token"),
    "`backend.find(token)` (every backend)": "tests/backends/test_contract.py::test_a_run_is_found_by_its_token",
    "`backend.find(token)` adopts": (
        "tests/planning/test_runs.py::test_an_interrupted_submission_that_the_backend_has_is_not_repeated"
    ),
    "`backend.find(token)` adopts, from another clone": (
        "tests/sharing/test_team.py::test_what_a_killed_apply_had_submitted_another_clone_adopts"
    ),
    "the runner's first act is an exclusive create of the token in the shared store": (
        "tests/backends/test_local.py::test_two_supervisors_with_one_token_execute_once"
    ),
    "the loser exits as duplicate": (
        "tests/runner/test_process.py::test_a_second_runner_of_the_same_token_does_nothing"
    ),
    "The local journal (append)": "tests/state/test_contending.py::test_a_torn_line_of_a_journal_is_passed_over",
    "recovery works with it deleted": ("tests/engine/test_locks.py::test_a_damaged_journal_changes_nothing"),
    "recovery works ... from another clone": (
        "tests/faults/test_kill_points.py::test_the_next_apply_finishes_the_work_of_a_killed_one"
    ),
    "The store has an id": "tests/storage/test_store.py::test_the_store_keeps_one_id_whoever_asks_first",
    "on one host only is an error unless that binding says `host: NAME`": (
        "tests/engine/test_hosts.py::test_a_shared_state_without_hosts_is_refused_and_validate_warns"
    ),
    "then only that host acts on it": (
        "tests/engine/test_hosts.py::test_a_machine_without_the_store_executes_the_rest_and_names_the_host_of_the_store"
    ),
}


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


# A backend that takes no run, and keeps what there was at the remote and in the journal when one was submitted.
_REFUSING = """
import json, pathlib, subprocess
from reconciler.backends import local
from reconciler.diagnostics import user_error

JOURNAL = pathlib.Path(".git/mlgit/journal-small-default.jsonl")

class Refusing(local.LocalBackend):
    def submit(self, submission):
        refs = subprocess.run(
            ["git", "ls-remote", "origin", "refs/mlgit/*"], check=True, capture_output=True, text=True
        ).stdout
        journal = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
        pathlib.Path(".git/seen.json").write_text(json.dumps({"refs": refs, "journal": journal}))
        raise user_error("refused", "not now")

def make(settings, store):
    return Refusing(store)
"""


@pytest.fixture
def seen(shared, mlgit, tmp_path, monkeypatch):
    """Tell what there was when a run was submitted."""
    plugin = tmp_path / "plugin"
    files = {
        "refusing.py": _REFUSING,
        "refusing-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: refusing\nVersion: 1\n",
        "refusing-1.dist-info/entry_points.txt": "[mlgit.backends]\nrefusing = refusing:make\n",
    }
    write(plugin, files)
    monkeypatch.syspath_prepend(plugin)
    edit(shared.folder, "mlgit.yml", "type: local", "type: refusing")
    edit(shared.folder, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(shared.folder, "another factor")
    ended = mlgit("apply", "--auto-approve", cwd=shared.folder)
    assert (ended.code, "[refused]" in ended.out + ended.err) == (1, True), ended.out + ended.err
    return json.loads((shared.folder / ".git/seen.json").read_text())


def test_the_token_is_in_the_pushed_intent_before_the_submission(seen, shared):
    """It goes into the run's name and the pushed intent before the submission.

    Also: the *intent* of every external effect {token, backend, attempt}.
    """
    refs = {ref.rpartition("/")[2]: oid for oid, ref in map(str.split, seen["refs"].splitlines())}
    (claim,) = git(shared.origin, "ls-tree", "--name-only", refs["claims"]).split()
    (intent,) = json.loads(git(shared.origin, "show", f"{refs['claims']}:{claim}"))["intents"]
    assert intent.keys() == {"run", "token", "backend", "attempt"}
    assert (intent["backend"], intent["attempt"], intent["run"]) == ("local", 1, f"sum-{intent['token'][:8]}")
    paths = git(shared.origin, "ls-tree", "-r", "--name-only", refs["live"], "history/job/").splitlines()
    (path,) = (path for path in paths if path.endswith(f"/{intent['run']}.json"))
    run = json.loads(git(shared.origin, "show", f"{refs['live']}:{path}"))
    assert (run["status"], run["token"]) == ("intended", intent["token"])


def test_the_journal_says_what_is_not_idempotent_before_it_is_done(seen):
    """The local journal (append, fsync before what is not idempotent)."""
    begun, last = seen["journal"][-2:]
    assert (begun["event"], last["event"]) == ("begun", "about to")
    assert last["what"].startswith("submit job/sum@sum-")
    assert begun["holder"] == last["holder"]


def test_a_line_of_the_journal_is_on_the_disk_when_it_was_appended(tmp_path, monkeypatch):
    """The local journal (append, fsync before what is not idempotent)."""
    journal, synced, really = Journal(tmp_path / "journal.jsonl"), [], os.fsync

    def sync(descriptor):
        really(descriptor)
        synced.append([*journal.entries()])

    monkeypatch.setattr(os, "fsync", sync)
    journal.append({"event": "begun"})
    journal.append({"event": "ended"})
    assert synced == [[{"event": "begun"}], [{"event": "begun"}, {"event": "ended"}]]


def test_records_name_the_store_that_has_their_content(applied):
    """The store has an id and records name it."""
    live = "refs/mlgit/small/default/live"
    store = ObjectStore(applied / ".mlgit/store").id
    paths = git(applied, "ls-tree", "-r", "--name-only", live, "current/").splitlines()
    records = [json.loads(git(applied, "show", f"{live}:{path}")) for path in paths]
    stored = {record["address"]: record["realised"] for record in records if "contents" in record.get("realised", {})}
    assert stored.keys() == {"data/numbers", "model/total"}
    assert {each["store"] for each in stored.values()} == {store}
    assert json.loads(git(applied, "show", f"{live}:meta.json"))["store"] == store
