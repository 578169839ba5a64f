"""mlgit github comment --run: the report of a workflow run, which may be that of a stranger."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile

import pytest
from github_api import Fault, zip_of

from reconciler.github import archive, artifacts

from .conftest import HEAD
from .reports import report

pytestmark = pytest.mark.services
FORK = "mallory/ml"


@pytest.fixture
def comment(mlgit, tmp_path):
    """Run mlgit github comment --run."""
    return lambda run, *arguments: mlgit("github", "comment", "--run", str(run), *arguments, cwd=tmp_path)


@pytest.fixture
def fork_run(api):
    """Make a pull request from a fork, and a run of its workflow; another pull request is open."""
    return add_fork_run(api)


def add_fork_run(api):
    api.add_pull(7, HEAD, branch="change", fork=FORK)
    api.add_pull(8, "8" * 40, branch="other")
    return api.add_run(HEAD, branch="change", fork=FORK)


def test_the_report_of_a_fork_is_shown_with_where_it_is_from(comment, api, fork_run):
    artifact = api.add_artifact(fork_run, {"report.json": report(), "comment.md": "<script>", "plan.json": "{}"})
    ended = comment(fork_run)
    assert (ended.code, ended.err) == (0, "")
    (text,) = api.comments_of(7)
    assert "no such data" in text
    assert "from a fork. The plan was made by its own workflow run" in text
    assert "script" not in text  # what is shown is rendered from report.json
    assert f"/octo/ml/actions/runs/{fork_run}/artifacts/{artifact}" in text


def test_the_report_of_a_fork_that_changes_workflows_can_be_anything(comment, api, fork_run):
    api.add_pull(7, HEAD, branch="change", fork=FORK, files=["data/iris.yml", ".github/workflows/mlgit.yml"])
    api.add_artifact(fork_run, {"report.json": report()})
    comment(fork_run)
    assert "so it can be anything" in api.comments_of(7)[0]


def test_the_report_of_the_repository_itself_has_no_such_note(comment, api):
    api.add_pull(7, HEAD)
    run = api.add_run(HEAD)
    api.add_artifact(run, {"report.json": report()})
    comment(run)
    assert "fork" not in api.comments_of(7)[0]


def test_the_newest_artifact_of_a_run_counts(comment, api, fork_run):
    api.add_artifact(fork_run, {"report.json": report("Attempt 1.")})
    api.add_artifact(fork_run, {"report.json": report("Attempt 2.")})
    api.add_artifact(fork_run, {"report.json": report("Another file.")}, name="other")
    comment(fork_run)
    assert "Attempt 2." in api.comments_of(7)[0]


def test_an_artifact_cannot_name_the_pull_request(comment, api, fork_run):
    document = json.loads(report())
    api.add_artifact(fork_run, {"report.json": json.dumps(document | {"pull": 8})})
    assert comment(fork_run).code == 1
    api.add_artifact(fork_run, {"report.json": report(), "pull_request.txt": "8"})
    assert comment(fork_run).code == 1
    api.add_artifact(fork_run, {"report.json": report("Comment on #8, octo/ml#8.")})
    assert comment(fork_run).code == 0
    assert (len(api.comments_of(7)), api.comments_of(8)) == (1, [])


def test_a_run_cannot_be_shown_in_another_pull_request(comment, api, fork_run):
    api.add_artifact(fork_run, {"report.json": report()})
    ended = comment(fork_run, "--pull", "8")
    assert ended.code == 1
    assert f"workflow run {fork_run} is for the head of pull request 7 [github-run]" in ended.err


@pytest.mark.parametrize("is_fork", [True, False])
def test_a_run_for_an_older_head_is_not_shown(comment, api, is_fork):
    fork = FORK if is_fork else ""
    api.add_pull(7, "e" * 40, branch="change", fork=fork)
    run = api.add_run(HEAD, branch="change", fork=fork)
    api.add_artifact(run, {"report.json": report()})
    ended = comment(run)
    assert (ended.code, api.comments_of(7)) == (0, [])
    assert f"the head of workflow run {run}, {HEAD[:10]}; pull request 7 has a newer head, eeeeeeeeee." in ended.out


def test_a_run_for_a_closed_pull_request_is_not_shown(comment, api, fork_run):
    api.add_artifact(fork_run, {"report.json": report()})
    api.pulls[7]["state"] = "closed"
    ended = comment(fork_run)
    assert (ended.code, api.comments_of(7)) == (0, [])
    assert "no open pull request has the head" in ended.out


def test_a_branch_of_the_same_name_in_another_fork_is_another_head(comment, api):
    api.add_pull(7, HEAD, branch="change", fork="mallory/other")
    run = api.add_run(HEAD, branch="change", fork=FORK)
    api.add_artifact(run, {"report.json": report()})
    assert comment(run).code == 0
    assert api.comments_of(7) == []


def test_one_head_in_two_pull_requests_needs_the_one_that_is_meant(comment, api):
    api.add_pull(7, HEAD)
    api.add_pull(9, HEAD, base="release")
    run = api.add_run(HEAD)
    api.add_artifact(run, {"report.json": report()})
    assert "is for the head of pull requests 7, 9 [github-run]" in comment(run).err
    assert comment(run, "--pull", "9").code == 0
    api.runs[run]["pull_requests"] = [{"number": 7}]
    assert comment(run).code == 0
    assert [len(api.comments_of(number)) for number in (7, 9)] == [1, 1]


def test_a_run_of_a_push_is_no_run_of_a_pull_request(comment, api):
    run = api.add_run(HEAD, event="push")
    ended = comment(run)
    assert ended.code == 1
    assert "[github-run]" in ended.err


def test_a_run_whose_fork_is_deleted_is_not_shown(comment, api, fork_run):
    api.runs[fork_run]["head_repository"] = None
    api.pulls[7]["head"]["repo"] = None
    assert comment(fork_run).code == 0
    assert api.comments_of(7) == []


def test_a_run_without_a_report_is_an_error_that_leads_to_its_log(comment, api, fork_run):
    ended = comment(fork_run)
    assert ended.code == 1
    assert f"workflow run {fork_run} has no artifact mlgit-report [github-artifact]" in ended.err
    assert f"/octo/ml/actions/runs/{fork_run}" in ended.err


def test_a_missing_permission_to_read_artifacts_is_named(comment, api, fork_run):
    api.faults.append(Fault("/artifacts", "forbidden"))
    ended = comment(fork_run)
    assert ended.code == 1
    assert "`permissions: actions: read`" in ended.err


def test_storage_that_fails_for_a_moment_is_asked_again(comment, api, fork_run, pauses):
    api.add_artifact(fork_run, {"report.json": report()})
    api.faults.append(Fault("/_storage/", "502", times=2))
    assert comment(fork_run).code == 0


def test_storage_that_fails_is_an_error_without_the_signed_address(comment, api, fork_run, pauses):
    api.add_artifact(fork_run, {"report.json": report()})
    api.faults.append(Fault("/_storage/", "502", times=-1))
    ended = comment(fork_run)
    assert ended.code == 1
    assert "[github-unreachable]" in ended.err
    assert "signed" not in ended.err


# Poisoned artifacts: each is refused in two lines, nothing is posted, no file is written.


def entries(*names: str, content: str = "{}", **fields: object) -> bytes:
    """Return a zip with entries of any name and fields."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        for name in names:
            entry = zipfile.ZipInfo(name)
            for field, value in fields.items():
                setattr(entry, field, value)
            opened.writestr(entry, content)
    return data.getvalue()


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("report.json", b"0" * (archive.MAX_MEMBER_BYTES + 1))
    return data.getvalue()


def lying_bomb() -> bytes:
    """Return a bomb whose directory says that it is small."""
    size = (archive.MAX_MEMBER_BYTES + 1).to_bytes(4, "little")
    return bomb().replace(size, (100).to_bytes(4, "little"))


def encrypted() -> bytes:
    data = bytearray(zip_of({"report.json": "{}"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: zip_of({"../../report.json": "{}"}), "has '../../report.json', which is no file of a report"),
        (lambda: zip_of({"/etc/passwd": "x", "report.json": "{}"}), "has '/etc/passwd'"),
        (lambda: zip_of({"..\\report.json": "{}"}), "which is no file of a report"),
        (lambda: zip_of({"a/report.json": "{}"}), "which is no file of a report"),
        (lambda: entries("report.json/"), "which is no file of a report"),
        (lambda: zip_of({"x" * 50_000: "x"}), "which is no file of a report"),
        (lambda: zip_of({"::error::\n::set-env name=X::y": "x"}), "which is no file of a report"),
        (lambda: entries("report.json", "report.json"), "has a file twice"),
        (lambda: entries("report.json", external_attr=(stat.S_IFLNK | 0o777) << 16), "is no regular file"),
        (lambda: entries("report.json", compress_type=zipfile.ZIP_LZMA), "in a form that no report has"),
        (encrypted, "in a form that no report has"),
        (lambda: entries(*(f"{number}" for number in range(2000))), "has more entries than the 5 of a report"),
        (bomb, "has report.json with more than 64 MiB"),
        (lying_bomb, "is no intact zip archive"),
        (lambda: zip_of({"comment.md": "x"}), "has no report.json"),
        (lambda: b"no zip", "is no intact zip archive"),
        (lambda: b"", "is no intact zip archive"),
        (lambda: zip_of({"report.json": report()})[:-40], "is no intact zip archive"),
        (lambda: zip_of({"report.json": report()}).replace(b"\x00\x00", b"\xff\xfe"), "artifact"),
        (lambda: zip_of({"report.json": "{" * 200_000}), "is not JSON [report-file]"),
        (lambda: zip_of({"report.json": b"\xff\xfe"}), "is not JSON [report-file]"),
        (lambda: zip_of({"report.json": "[]"}), "is not a report of this version of mlgit [report-file]"),
        (lambda: zip_of({"report.json": report().replace('"error"', '"fatal"')}), "[report-file]"),
        (lambda: zip_of({"report.json": report(target="--> <img src=x>")}), "[report-file]"),
    ],
)
def test_a_poisoned_artifact_is_refused(comment, api, tmp_path, content, said):
    run = add_fork_run(api)
    api.add_artifact(run, content())
    ended = comment(run)
    assert ended.code == 1
    assert said in ended.err
    lines = ended.err.splitlines()
    assert len(lines) == 2
    assert all(len(line) < 1000 and not line.startswith("::") for line in lines)
    assert (api.comments_of(7), api.comments_of(8)) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_another_digest_is_refused(comment, api, fork_run):
    api.add_artifact(fork_run, {"report.json": report()}, digest=f"sha256:{'0' * 64}")
    assert "has not the digest that GitHub says [github-artifact]" in comment(fork_run).err


def test_an_archive_that_says_how_large_it_is_is_not_downloaded(comment, api, fork_run):
    api.add_artifact(fork_run, {"report.json": report()}, size_in_bytes=archive.MAX_ARCHIVE_BYTES + 1)
    assert "has more than 32 MiB [github-artifact]" in comment(fork_run).err
    assert api.sent("_storage") == []


def test_an_archive_that_lies_about_its_size_is_not_read_to_its_end(comment, api, fork_run, monkeypatch):
    monkeypatch.setattr(artifacts, "MAX_ARCHIVE_BYTES", 100)
    api.add_artifact(fork_run, {"report.json": report()}, size_in_bytes=10)
    assert "[github-artifact]" in comment(fork_run).err


@pytest.mark.parametrize(
    "name",
    [
        "x" * 50_000,
        "<img src=x onerror=alert(1)>",
        "::error::owned",
        "\n::set-output name=x::y",
        "-->\n<!-- mlgit default -->",
        "[click](https://example.org) @octo/admins #8",
        "\u202e\x1b[31m",
    ],
)
def test_hostile_text_of_a_report_is_shown_as_text(comment, api, fork_run, name):
    api.add_artifact(fork_run, {"report.json": report(name, name)})
    ended = comment(fork_run)
    assert (ended.code, ended.err) == (0, "")
    (text,) = api.comments_of(7)
    assert len(text) <= 65_536
    assert not re.search(r"(?<!\\)<img", text)
    assert "](https://example.org)" not in text
    assert text.count("<!-- mlgit") == 1
    assert not any(line.startswith("::") for line in (*text.splitlines(), *ended.out.splitlines()))
