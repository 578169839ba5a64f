"""Tests of docs/guarantees.md on submissions, the journal, the store and hosts."""

from __future__ import annotations

import json
import os

import pytest
from workspaces import commit, edit, git, write

from reconciler.state.journal import Journal
from reconciler.storage.folder_store import FolderStore

# A backend that refuses every run, and saves the refs of the remote and the journal at the submission.
_REFUSING = """
import dataclasses, json, pathlib, subprocess
from reconciler.backends import _local, local
from reconciler.diagnostics import user_error

JOURNAL = pathlib.Path(".git/mlgit/journal-small-default.jsonl")

class Refusing(_local.LocalBackend):
    def submit(self, task, store):
        refs = subprocess.run(
            ["git", "ls-remote", "origin", "refs/mlgit/*"], check=True, capture_output=True, text=True
        ).stdout
        journal = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
        pathlib.Path(".git/seen.json").write_text(json.dumps({"refs": refs, "journal": journal}))
        raise user_error("refused", "not now")

def make(settings, store):
    return Refusing(store)

BACKEND = dataclasses.replace(local.BACKEND, open="refusing:make")
"""


@pytest.fixture
def at_submission(shared, mlgit, tmp_path, monkeypatch):
    """Return the refs of the remote and the journal at the submission of a run."""
    plugin = tmp_path / "plugin"
    files = {
        "refusing.py": _REFUSING,
        "refusing-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: refusing\nVersion: 1\n",
        "refusing-1.dist-info/entry_points.txt": "[mlgit.backends]\nrefusing = refusing:BACKEND\n",
    }
    write(plugin, files)
    monkeypatch.syspath_prepend(plugin)
    edit(shared.folder, "mlgit.yml", "type: local", "type: refusing")
    edit(shared.folder, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(shared.folder, "another factor")
    result = mlgit("apply", "--auto-approve", cwd=shared.folder)
    assert (result.code, "[refused]" in result.out + result.err) == (1, True), result.out + result.err
    return json.loads((shared.folder / ".git/seen.json").read_text())


def test_the_token_is_in_the_pushed_intent_before_the_submission(at_submission, shared):
    """The intent to submit, with its token, is pushed before the submission."""
    refs = {ref.rpartition("/")[2]: oid for oid, ref in map(str.split, at_submission["refs"].splitlines())}
    (lock_file,) = git(shared.origin, "ls-tree", "--name-only", refs["locks"]).split()
    (intent,) = json.loads(git(shared.origin, "show", f"{refs['locks']}:{lock_file}"))["intents"]
    assert intent.keys() == {"run", "token", "backend", "attempt"}
    assert (intent["backend"], intent["attempt"], intent["run"]) == ("local", 1, f"sum-{intent['token'][:8]}")
    paths = git(shared.origin, "ls-tree", "-r", "--name-only", refs["live"], "history/job/").splitlines()
    (path,) = (path for path in paths if path.endswith(f"/{intent['run']}.json"))
    run = json.loads(git(shared.origin, "show", f"{refs['live']}:{path}"))
    assert (run["status"], run["token"]) == ("intended", intent["token"])


def test_the_journal_has_an_entry_before_an_action_that_is_not_idempotent(at_submission):
    """The journal has an entry for each action that is not idempotent before the action is done."""
    begun, last = at_submission["journal"][-2:]
    assert (begun["event"], last["event"]) == ("begun", "about to")
    assert last["what"].startswith("submit job/sum@sum-")
    assert begun["holder"] == last["holder"]


def test_an_entry_of_the_journal_is_synced_to_the_disk(tmp_path, monkeypatch):
    """An entry of the journal is synced to the disk before the call that appends it returns."""
    journal, synced, really = Journal(tmp_path / "journal.jsonl"), [], os.fsync

    def sync(descriptor):
        really(descriptor)
        synced.append([*journal.entries()])

    monkeypatch.setattr(os, "fsync", sync)
    journal.append({"event": "begun"})
    journal.append({"event": "ended"})
    assert synced == [[{"event": "begun"}], [{"event": "begun"}, {"event": "ended"}]]


def test_records_name_the_store_that_has_their_content(applied):
    """Records name the store that has their content."""
    live = "refs/mlgit/small/default/live"
    store = FolderStore(applied / ".mlgit/store").id
    paths = git(applied, "ls-tree", "-r", "--name-only", live, "current/").splitlines()
    records = [json.loads(git(applied, "show", f"{live}:{path}")) for path in paths]
    stored = {record["address"]: record["realised"] for record in records if "contents" in record.get("realised", {})}
    assert stored.keys() == {"data/numbers", "model/total"}
    assert {content["store"] for content in stored.values()} == {store}
    assert json.loads(git(applied, "show", f"{live}:meta.json"))["store"] == store
