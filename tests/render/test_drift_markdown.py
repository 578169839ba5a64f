"""The texts of the issue on drift and of the pull request that writes it into Git."""

from __future__ import annotations

import re

import cmarkgfm
import pytest

from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import Address
from reconciler.planning.drift import Drift, DriftPolicy
from reconciler.planning.drift_report import DriftReport, IssueState
from reconciler.planning.write_back import FileChange, Unwritten, WriteBack
from reconciler.render.drift_markdown import issue_markdown, write_back_markdown, write_back_title, write_back_to_json

pytestmark = pytest.mark.fast

COMMIT = "0123456789" * 4
CPU, GPU = Address("compute", "cpu"), Address("compute", "gpu")
CHANGED = Drift("compute/cpu", "resource-changed", "size is 2, not 1", "-", DriftPolicy.WRITE_BACK, address=CPU)
LOST = Drift("job/a", "run-lost", "run a-1 was lost", "apply runs it again", DriftPolicy.REPAIR)
FAILED = Drift("compute/x", "resource-failed", "its provider reports that it failed", "`mlgit apply` makes it again")
LOCAL = Drift("environment/e@1", "not-built", "it is not built on this machine", "it is built then", local=True)
WRITTEN = WriteBack((FileChange("compute/cpu.yml", "name: cpu\n", CPU, "size is 2, not 1"),))
HOSTILE = "a|b\n<script>alert(1)</script> @admin #1 [x](http://evil.example) ::error::x `--> ${{ x }} \x1b[31m\u202e"


def report(*drift: Drift, notes: tuple[str, ...] = (), target: str = "default") -> DriftReport:
    return DriftReport(target, drift, notes)


def test_the_worst_drift_comes_first_and_the_local_last(golden):
    every = report(LOST, CHANGED, FAILED, LOCAL, notes=("the backend gpu cannot be reached: timed out",), target="prod")
    golden("render/drift/issue.md", issue_markdown(every, WRITTEN, COMMIT))


def test_a_write_back_names_the_files_and_what_is_not_written(golden):
    notes = ("job/train refers to it, and needs another one",)
    change = FileChange("compute/gpu.yml", None, GPU, "is removed: its provider no longer has it", notes)
    write_back = WriteBack((*WRITTEN.changes, change), (Unwritten(Address("data", "d"), "it has secrets"),))
    golden("render/drift/write-back.md", write_back_markdown("prod", write_back))
    assert (
        write_back_title("prod", write_back) == "Write what is live of target prod into Git: compute/cpu, compute/gpu"
    )
    assert is_valid_for_schema(write_back_to_json("prod", COMMIT, "ws/", write_back), "write-back")


@pytest.mark.parametrize(
    "path",
    ["../a.yml", "a/../b.yml", "/a.yml", ".git/config", "a/.GIT/b", ".github/workflows/a.yml", "a\\b", "a//b", "a\n"],
)
def test_a_path_that_leads_out_or_changes_what_ci_runs_is_no_write_back(path):
    write_back = WriteBack((FileChange(path, "", CPU, ""),))
    assert not is_valid_for_schema(write_back_to_json("prod", COMMIT, "", write_back), "write-back")


@pytest.mark.parametrize(
    ("drift", "notes", "written", "state"),
    [
        ((), (), (), IssueState.CLOSE),
        ((LOCAL,), (), (), IssueState.CLOSE),
        ((), ("not asked",), (), IssueState.KEEP),
        ((LOST,), (), (), IssueState.OPEN),
        ((LOST,), ("not asked",), (), IssueState.OPEN),
        ((CHANGED,), (), (), IssueState.OPEN),
        ((CHANGED,), (), (CPU,), IssueState.CLOSE),
        ((CHANGED,), ("not asked",), (CPU,), IssueState.KEEP),
        ((CHANGED, LOST), (), (CPU,), IssueState.OPEN),
    ],
)
def test_the_issue_is_for_drift_that_no_pull_request_has_and_is_closed_only_if_all_was_asked(
    drift, notes, written, state
):
    assert report(*drift, notes=notes).issue_state(frozenset(written)) is state


def test_texts_of_others_stay_text():
    hostile = Drift(HOSTILE, "run-lost", HOSTILE, HOSTILE, address=CPU)
    change = FileChange(HOSTILE, "", CPU, HOSTILE, (HOSTILE,))
    write_back = WriteBack((change,), (Unwritten(GPU, HOSTILE),))
    for text in (
        issue_markdown(report(hostile, notes=(HOSTILE,)), WriteBack(), COMMIT),
        issue_markdown(report(hostile), write_back, COMMIT),
        write_back_markdown("default", write_back),
    ):
        assert not re.search("[\x1b\u202e]", text)
        assert not any(line.startswith("::") for line in text.splitlines())
        html = cmarkgfm.github_flavored_markdown_to_html(text, cmarkgfm.Options.CMARK_OPT_UNSAFE)
        seen = re.sub(r"(?s)<code>.*?</code>|<!-- mlgit [a-z-]+ default [0-9a-f]*(?: )?-->", "", html)
        assert not re.search(r"@admin|#1|<a\b|<script|<!--", seen)


@pytest.mark.slow
def test_an_issue_on_much_drift_fits_and_says_what_is_left_out():
    lost = [LOST._replace(subject=f"job/{'x' * 100}{number}") for number in range(5_000)]
    text = issue_markdown(report(*lost, FAILED, notes=("not asked",) * 9, target="prod"), WriteBack(), COMMIT)
    assert len(text) < 65_536
    assert text.index("compute/x") < text.index("job/")
    assert "more drifted assets that `mlgit drift` shows" in text
    assert "- not asked" in text
    assert "### Target prod: 5001 things are not as recorded" in text
