"""mlgit github drift: one issue, and one pull request that writes back."""

from __future__ import annotations

import hashlib
import json

import pytest
from github_api import BOT, Fault

from reconciler.model import parse_address
from reconciler.planning.drift import Drift, DriftPolicy
from reconciler.planning.drift_report import DriftReport
from reconciler.planning.write_back import FileChange, WriteBack
from reconciler.render.drift import drift_file_to_json
from reconciler.render.drift_markdown import issue_markdown, write_back_to_json

pytestmark = pytest.mark.services
MARKER = "<!-- mlgit drift default -->"
BRANCH = "mlgit/write-back-default"


@pytest.fixture
def drift(mlgit, api, tmp_path):
    """Run mlgit github drift on a report."""

    def run(issue, text="1 thing", files=None, target="default", **fields):
        body = f"<!-- mlgit drift {target} -->\n\n### {text}\n"
        report = {"format": 1, "target": target, "issue": issue, "complete": issue != "keep", **fields}
        (tmp_path / "drift.json").write_text(json.dumps(report), "utf-8")
        (tmp_path / "issue.md").write_text(body, "utf-8")
        (tmp_path / "write-back.json").unlink(missing_ok=True)
        if files is not None:
            entries = [{"path": path, "content": content} for path, content in files.items()]
            digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
            body = f"<!-- mlgit write-back {target} {digest} -->\n\n### {text}\n"
            document = {"format": 1, "target": target, "commit": api.refs["heads/main"], "title": text, "body": body}
            (tmp_path / "write-back.json").write_text(json.dumps(document | {"files": entries}), "utf-8")
        return mlgit("github", "drift", ".", cwd=tmp_path)

    api.add_branch("main", {"compute/cpu.yml": "size: 1\n", "old.yml": "x\n"})
    return run


def texts(items):
    return [(item["state"], item["body"].splitlines()[-1]) for item in items.values()]


def test_what_mlgit_ci_drift_writes_is_read(mlgit, drift, api, tmp_path):
    address = parse_address("compute/cpu")
    change = FileChange("compute/cpu.yml", "size: 2\n", address, "size is 2, not 1")
    drifts = (
        Drift("compute/cpu", "resource-changed", "size is 2", "", DriftPolicy.WRITE_BACK, address=address),
        Drift("store", "store-gone", "is gone", "restore it"),
    )
    report, write_back = DriftReport("prod", drifts), WriteBack((change,))
    document = drift_file_to_json(report, write_back.addresses)
    changes = write_back_to_json("prod", api.refs["heads/main"], "ml/", write_back)
    (tmp_path / "drift.json").write_text(json.dumps(document), "utf-8")
    (tmp_path / "write-back.json").write_text(json.dumps(changes), "utf-8")
    (tmp_path / "issue.md").write_text(issue_markdown(report, write_back, api.refs["heads/main"]), "utf-8")
    assert mlgit("github", "drift", ".", cwd=tmp_path).err == ""
    assert api.files_of("mlgit/write-back-prod")["ml/compute/cpu.yml"] == "size: 2\n"
    (pull,) = api.pulls.values()
    assert "size is 2, not 1" in pull["body"]
    (issue,) = api.issues.values()
    assert (issue["title"], "is gone" in issue["body"]) == ("mlgit: drift of target prod", True)


def test_drift_opens_an_issue(drift, api):
    ended = drift("open")
    assert (ended.code, ended.err) == (0, "")
    assert "The issue on drift is opened: http" in ended.out
    assert texts(api.issues) == [("open", "### 1 thing")]
    assert api.issues[1]["title"] == "mlgit: drift"


def test_the_next_check_updates_the_issue(drift, api):
    drift("open")
    assert "is unchanged" in drift("open").out
    assert "is updated" in drift("open", "2 things").out
    assert texts(api.issues) == [("open", "### 2 things")]


def test_the_issue_is_closed_when_the_drift_is_gone(drift, api):
    drift("open")
    assert "is closed" in drift("close", "No drift").out
    assert texts(api.issues) == [("closed", "### No drift")]
    assert drift("close", "No drift").out == ""
    drift("open")
    assert [issue["state"] for issue in api.issues.values()] == ["closed", "open"]


def test_what_is_not_known_closes_nothing(drift, api):
    drift("open")
    assert "the issue stays as it is" in drift("keep", "Not known").out
    assert texts(api.issues) == [("open", "### 1 thing")]


def test_each_target_has_its_issue(drift, api):
    drift("open")
    drift("open", target="prod")
    drift("close", target="prod")
    assert [(issue["title"], issue["state"]) for issue in api.issues.values()] == [
        ("mlgit: drift", "open"),
        ("mlgit: drift of target prod", "closed"),
    ]


def test_issues_of_others_are_left_alone(drift, api):
    fields = {"state": "open", "user": {"login": "bob"}, "body": MARKER, "title": "t", "html_url": "http://x"}
    api.issues[1] = {"number": 1, **fields}
    drift("open")
    drift("close")
    assert [issue["state"] for issue in api.issues.values()] == ["open", "closed"]


def test_an_issue_that_was_made_although_the_answer_was_lost_is_not_made_twice(drift, api, pauses):
    api.faults.append(Fault("^POST .*/issues$", "dropped-after"))
    assert drift("open").code == 0
    assert [issue["state"] for issue in api.issues.values()] == ["open", "closed"]


def test_a_missing_permission_to_write_issues_is_named(drift, api):
    api.faults.append(Fault("^POST .*/issues$", "forbidden"))
    ended = drift("open")
    assert ended.code == 1
    assert "`permissions: issues: write`" in ended.err


# The pull request that writes back.

FILES = {"compute/cpu.yml": "size: 2\n", "data/new.yml": "name: new\n", "old.yml": None}


def test_the_pull_request_has_the_files_that_declare_what_is_live(drift, api):
    ended = drift("close", "Write back", FILES)
    assert (ended.code, ended.err) == (0, "")
    assert "The pull request on drift is opened" in ended.out
    assert api.files_of(BRANCH) == {"compute/cpu.yml": "size: 2\n", "data/new.yml": "name: new\n"}
    (pull,) = api.pulls.values()
    assert (pull["title"], pull["base"]["ref"], pull["head"]["ref"]) == ("Write back", "main", BRANCH)


def test_the_same_files_are_not_pushed_again(drift, api):
    drift("close", "Write back", FILES)
    sha = api.refs[f"heads/{BRANCH}"]
    assert "is unchanged" in drift("close", "Write back", FILES).out
    assert (api.refs[f"heads/{BRANCH}"], len(api.pulls)) == (sha, 1)


def test_other_files_rewrite_the_branch(drift, api):
    drift("close", "Write back", FILES)
    assert "is updated" in drift("close", "Write back more", FILES | {"compute/cpu.yml": "size: 3\n"}).out
    assert api.files_of(BRANCH)["compute/cpu.yml"] == "size: 3\n"
    (pull,) = api.pulls.values()
    assert (pull["title"], pull["head"]["sha"]) == ("Write back more", api.refs[f"heads/{BRANCH}"])


def test_a_newer_main_moves_the_branch(drift, api):
    drift("close", "Write back", FILES)
    newer = api.add_branch("main", {"compute/cpu.yml": "size: 1\n", "old.yml": "x\n", "other.yml": "y\n"})
    assert "is updated" in drift("close", "Write back", FILES).out
    assert api.commits[api.refs[f"heads/{BRANCH}"]]["parents"] == [newer]


def test_the_pull_request_is_closed_when_there_is_nothing_to_write(drift, api):
    drift("close", "Write back", FILES)
    assert "The pull request on drift is closed" in drift("close").out
    assert api.pulls[1]["state"] == "closed"
    assert f"heads/{BRANCH}" not in api.refs
    assert "is opened" in drift("close", "Write back", FILES).out


def test_what_is_not_known_leaves_the_pull_request_open(drift, api):
    drift("close", "Write back", FILES)
    drift("keep")
    drift("open", complete=False)
    assert api.pulls[1]["state"] == "open"


def test_a_pull_request_that_somebody_closed_is_not_opened_again_and_an_issue_says_what_drifts(drift, api):
    drift("close", "Write back", FILES)
    api.pulls[1]["state"] = "closed"
    ended = drift("close", "Write back", FILES)
    assert "is left closed: a pull request with the same changes was closed before" in ended.out
    assert "The issue on drift is opened" in ended.out
    assert [pull["state"] for pull in api.pulls.values()] == ["closed"]
    assert "The pull request on drift is opened" in drift("close", "Write back", FILES | {"b.yml": "x"}).out


def test_a_pull_request_that_somebody_closed_stays_closed_without_its_branch_and_with_another_main(drift, api):
    drift("close", "Write back", FILES)
    api.pulls[1]["state"] = "closed"
    del api.refs[f"heads/{BRANCH}"]
    api.add_branch("main", {"compute/cpu.yml": "size: 1\n", "old.yml": "x\n", "other.yml": "y\n"})
    assert "is left closed" in drift("close", "Write back", FILES).out
    assert (len(api.pulls), f"heads/{BRANCH}" in api.refs) == (1, False)


def test_new_drift_after_a_merge_has_a_new_pull_request(drift, api):
    drift("close", "Write back", FILES)
    api.merge(1, "c" * 40)
    assert "is opened" in drift("close", "Write back", {"compute/cpu.yml": "size: 3\n"}).out
    assert len(api.pulls) == 2


def test_a_commit_of_a_person_on_the_branch_is_kept(drift, api):
    drift("close", "Write back", FILES)
    sha = api.add_branch(BRANCH, {"compute/cpu.yml": "size: 2 # I looked at it\n"}, api.refs[f"heads/{BRANCH}"])
    assert "is left alone" in drift("close", "Write back", FILES | {"b.yml": "x"}).out
    assert api.refs[f"heads/{BRANCH}"] == sha


def test_actions_that_may_open_no_pull_request_are_told_which_setting_allows_it(drift, api):
    message = "GitHub Actions is not permitted to create or approve pull requests."
    api.faults.append(Fault("^POST .*/pulls$", "forbidden", message=message))
    ended = drift("close", "Write back", FILES)
    assert ended.code == 1
    assert "Settings, Actions, General, Workflow permissions" in ended.err


def test_a_missing_permission_to_write_contents_is_named(drift, api):
    api.faults.append(Fault("^POST .*/git/", "forbidden"))
    assert "`permissions: contents: write`" in drift("close", "Write back", FILES).err


@pytest.mark.parametrize(
    "path",
    ["../x.yml", "/etc/x", ".git/config", ".GIT/config", ".github/workflows/x.yml", "a//b", "a/./b", "", "a\\..\\b"],
)
def test_nothing_is_written_back_outside_of_the_workspace_or_into_workflows(drift, api, path):
    ended = drift("close", "Write back", {path: "x"})
    assert ended.code == 1
    assert "[drift-file]" in ended.err
    assert api.pulls == {}


@pytest.mark.parametrize(
    "file",
    [
        "drift.json {}",
        "drift.json []",
        'drift.json {"target": "-->", "issue": "open"}',
        "write-back.json {}",
        'write-back.json {"format": 2}',
        f"write-back.json {'{' * 100_000}",
    ],
    ids=range(6),
)
def test_a_report_that_is_none_is_an_error(drift, mlgit, tmp_path, file):
    drift("close", "Write back", FILES)
    name, _, text = file.partition(" ")
    (tmp_path / name).write_text(text, "utf-8")
    ended = mlgit("github", "drift", ".", cwd=tmp_path)
    assert ended.code == 1
    assert "[drift-file]" in ended.err


def test_the_commits_are_those_of_the_token(drift, api):
    drift("close", "Write back", FILES)
    assert api.pulls[1]["user"]["login"] == BOT
