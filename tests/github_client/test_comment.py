"""mlgit github comment: one comment on a pull request, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from github_api import BOT, Fault

from .conftest import HEAD, MERGE
from .reports import report, result

pytestmark = pytest.mark.services
MARKER = "<!-- mlgit default -->"
COMMENTS = "/issues/7/comments"


@pytest.fixture
def folder(tmp_path, api):
    """Write a report, for an open pull request."""
    api.add_pull(7, HEAD)
    (tmp_path / "report.json").write_text(report(), "utf-8")
    return tmp_path


@pytest.fixture
def comment(mlgit, folder):
    """Run mlgit github comment on the report."""
    return lambda *arguments: mlgit("github", "comment", *(arguments or (".", "--pull", "7")), cwd=folder)


def test_the_report_becomes_a_comment(comment, api):
    ended = comment()
    assert (ended.code, ended.err) == (0, "")
    assert "The comment on pull request 7 is created: http" in ended.out
    (text,) = api.comments_of(7)
    assert text.startswith(f"{MARKER}\n")
    assert "no such data" in text


def test_the_next_report_edits_the_comment(comment, api, folder):
    comment()
    (folder / "report.json").write_text(report("The second plan."), "utf-8")
    assert "is updated" in comment().out
    (text,) = api.comments_of(7)
    assert "The second plan." in text
    assert "The first plan." not in text


def test_an_equal_report_writes_nothing(comment, api):
    comment()
    written = len(api.sent("^(POST|PATCH|DELETE)"))
    assert "is unchanged" in comment().out
    assert len(api.sent("^(POST|PATCH|DELETE)")) == written


def test_line_ends_that_github_changes_are_no_difference(comment, api):
    comment()
    for stored in api.comments.values():
        stored["body"] = stored["body"].replace("\n", "\r\n")
    assert "is unchanged" in comment().out


def test_comments_of_others_are_left_alone_even_with_the_marker(comment, api):
    others = [api.add_comment(7, f"{MARKER}\nmine", "mallory"), api.add_comment(7, "please review", "bob")]
    comment()
    assert [api.comments[other]["body"] for other in others] == [f"{MARKER}\nmine", "please review"]
    assert len(api.comments_of(7)) == 3


def test_the_comment_is_found_among_hundreds(comment, api):
    for number in range(130):
        api.add_comment(7, f"comment {number}", "bob")
    comment()
    assert "is unchanged" in comment().out


def test_the_comment_of_another_target_is_another_one(comment, api, folder):
    comment()
    (folder / "report.json").write_text(report(target="production"), "utf-8")
    comment()
    assert [text.partition("\n")[0] for text in api.comments_of(7)] == [MARKER, "<!-- mlgit production -->"]


def test_a_comment_that_was_deleted_is_written_again(comment, api):
    comment()
    api.comments.clear()
    assert "is created" in comment().out
    assert len(api.comments_of(7)) == 1


def test_a_comment_that_is_deleted_while_it_is_edited_is_written_again(comment, api, folder):
    comment()
    (folder / "report.json").write_text(report("The second plan."), "utf-8")
    api.before = lambda request: request.method == "PATCH" and api.comments.clear()
    assert "is created" in comment().out
    assert "The second plan." in api.comments_of(7)[0]


def test_duplicates_are_removed(comment, api):
    kept = api.add_comment(7, f"{MARKER}\nold", BOT)
    api.add_comment(7, f"{MARKER}\nold", BOT)
    comment()
    assert list(api.comments) == [kept]
    assert "The first plan." in api.comments[kept]["body"]


def test_two_jobs_at_once_end_with_one_comment(api, folder):
    both = threading.Barrier(2)

    def wait_for_the_other(request):
        if request.method == "POST":
            both.wait(120)

    api.before = wait_for_the_other
    command = [sys.executable, "-m", "reconciler", "github", "comment", ".", "--pull", "7"]
    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(subprocess.run, command, cwd=folder, capture_output=True, text=True) for _ in range(2)]
        assert [(job.result().returncode, job.result().stderr) for job in ended] == [(0, ""), (0, "")]
    assert len(api.comments_of(7)) == 1


def test_the_comment_of_a_person_is_found_by_the_login_of_the_token(comment, api):
    api.login = "ada"
    comment()
    assert "is unchanged" in comment().out
    assert [stored["user"]["login"] for stored in api.comments.values()] == ["ada"]


def test_the_comment_of_an_app_is_found_although_it_cannot_ask_who_it_is(comment, api, folder):
    api.login = "our-app[bot]"
    comment()
    (folder / "report.json").write_text(report("The second plan."), "utf-8")
    assert "is updated" in comment().out
    (text,) = api.comments_of(7)
    assert "The second plan." in text


def test_the_event_names_the_pull_request(comment, api, event):
    event("pull_request", {"pull_request": {"number": 7, "head": {"sha": HEAD}}})
    assert "is created" in comment(".").out


def test_a_report_on_an_older_head_is_not_shown(comment, api, event):
    event("pull_request", {"pull_request": {"number": 7, "head": {"sha": "9" * 40}}})
    ended = comment(".")
    assert (ended.code, api.comments_of(7)) == (0, [])
    assert f"Nothing is shown: pull request 7 has a newer head, {HEAD[:10]}, than 9999999999." in ended.out


def test_a_report_on_a_closed_pull_request_does_not_replace_its_result(comment, api, event):
    event("pull_request", {"pull_request": {"number": 7, "head": {"sha": HEAD}}})
    api.merge(7, MERGE)
    ended = comment(".")
    assert (ended.code, ended.out) == (0, "Nothing is shown: pull request 7 is closed.\n")


def test_without_an_event_the_pull_request_must_be_named(comment, api):
    ended = comment(".")
    assert ended.code == 1
    assert "name the pull request with --pull" in ended.err


def test_a_pull_request_that_does_not_exist_is_named(comment, api):
    ended = comment(".", "--pull", "8")
    assert ended.code == 1
    assert "GitHub does not find pull request 8 [github-not-found]" in ended.err


# The result of an apply.


@pytest.fixture
def apply(folder):
    """Write the result of an apply."""

    def write(*runs: str) -> None:
        (folder / "result.json").write_text(result(*runs), "utf-8")

    write("train-1")
    return write


def test_the_result_stands_above_the_plan(comment, api, apply):
    comment()
    api.merge(7, MERGE)
    assert "is updated" in comment("--result", ".").out
    (text,) = api.comments_of(7)
    assert text.startswith(f"{MARKER}\n")
    assert text.index("train-1") < text.index("The first plan.")


def test_the_next_result_replaces_the_one_before(comment, api, apply):
    comment()
    comment("--result", ".", "--pull", "7")
    assert "is unchanged" in comment("--result", ".", "--pull", "7").out
    apply("train-2")
    comment("--result", ".", "--pull", "7")
    (text,) = api.comments_of(7)
    assert "train-2" in text
    assert "train-1" not in text
    assert text.count("The first plan.") == 1


def test_the_result_is_written_although_the_comment_was_deleted(comment, api, apply):
    comment("--result", ".", "--pull", "7")
    (text,) = api.comments_of(7)
    assert "train-1" in text


def test_the_result_goes_to_each_pull_request_that_was_reviewed(comment, api, apply, tmp_path):
    api.add_pull(12, "e" * 40)
    reviewed = tmp_path / "reviewed"
    reviewed.mkdir()
    for name in ("report-7.json", "report-12.json", "other.json"):
        (reviewed / name).write_text("{}", "utf-8")
    comment("reviewed", "--result", ".")
    assert ["train-1" in api.comments_of(number)[0] for number in (7, 12)] == [True, True]


def test_the_result_of_a_push_without_a_pull_request_is_shown_nowhere(comment, api, apply):
    api.commit_pulls[MERGE] = []
    ended = comment("--result", ".")
    assert (ended.code, ended.out) == (0, "Nothing is shown: the commit is the merge of no pull request.\n")


@pytest.mark.parametrize("text", ["", "[]", '{"target": "--> <script>"}', "{" * 100_000], ids=range(4))
def test_a_result_that_is_none_is_an_error(comment, folder, text):
    (folder / "result.json").write_text(text, "utf-8")
    ended = comment("--result", ".", "--pull", "7")
    assert ended.code == 1
    assert "[result-file]" in ended.err


# What GitHub does wrong.


FAULTS = ["GET 502", "GET dropped", "GET secondary", "GET secondary-429", "GET primary", "GET primary-429"]
WRITE_FAULTS = ["POST 502", "POST dropped", "POST secondary", "PATCH 502", "PATCH dropped", "PATCH primary-429"]


@pytest.mark.parametrize("fault", [*FAULTS, *WRITE_FAULTS])
def test_a_fault_that_passes_is_waited_for(comment, api, folder, pauses, fault):
    method, kind = fault.split()
    if method == "PATCH":
        comment()
        (folder / "report.json").write_text(report("The second plan."), "utf-8")
    api.faults.append(Fault(f"^{method} .*comments", kind, times=2, wait=7))
    ended = comment()
    assert (ended.code, ended.err) == (0, "")
    assert len(api.comments_of(7)) == 1
    if "ary" in kind:  # secondary, primary: as long as GitHub says
        assert [round(pause) for pause in pauses if pause > 5] == [pytest.approx(7, abs=2)] * 2


def test_a_comment_that_was_made_although_the_answer_was_lost_is_not_made_twice(comment, api, pauses):
    api.faults.append(Fault(f"^POST .*{COMMENTS}", "dropped-after"))
    assert comment().code == 0
    assert len(api.comments_of(7)) == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("502", "GitHub was asked for pull request 7, and it answers with status 502 [github-unreachable]"),
        ("dropped", "GitHub was asked for pull request 7, and there is no connection [github-unreachable]"),
        (
            "secondary",
            "GitHub's rate limit for this token is used up: it was asked for pull request 7 [github-rate-limit]",
        ),
        ("secondary-429", "[github-rate-limit]"),
        ("primary", "[github-rate-limit]"),
        ("primary-429", "[github-rate-limit]"),
        ("unauthorized", "GitHub does not accept the token of GITHUB_TOKEN [github-token]"),
    ],
)
def test_a_fault_that_stays_is_an_error_with_what_to_do(comment, api, pauses, kind, said):
    api.faults.append(Fault(".", kind, times=-1))
    ended = comment()
    assert ended.code == 1
    assert said in ended.err
    assert "help:" in ended.err
    assert len(ended.err.splitlines()) == 2


@pytest.mark.parametrize("kind", ["secondary", "secondary-429", "primary", "primary-429"])
def test_a_rate_limit_of_an_hour_is_not_waited_for(comment, api, pauses, kind):
    api.faults.append(Fault(".", kind, times=-1, wait=3600))
    assert "[github-rate-limit]" in comment().err
    assert (pauses, len(api.requests)) == ([], 1)


def test_a_missing_permission_is_named_as_a_workflow_has_it(comment, api):
    api.faults.append(Fault(f"^POST .*{COMMENTS}", "forbidden"))
    ended = comment()
    assert ended.code == 1
    assert (
        "the token has no permission for a comment on pull request 7: Resource not accessible by integration"
        in ended.err
    )
    assert "`permissions: pull-requests: write`" in ended.err
    assert "from a fork" in ended.err


def test_a_comment_that_is_deleted_again_and_again_is_given_up(comment, api):
    comment()
    api.faults.append(Fault("^PATCH", "gone", times=-1))
    for stored in api.comments.values():
        stored["body"] += "edited"
    assert "was deleted 3 times while it was written [github-conflict]" in comment().err


# The token.


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "\x00", "tokén"])
def test_a_token_that_is_none_is_an_error_which_does_not_show_it(comment, api, monkeypatch, token):
    monkeypatch.delenv("GITHUB_TOKEN")
    if "\x00" not in token:
        monkeypatch.setenv("GITHUB_TOKEN", token)
    ended = comment()
    assert ended.code == 1
    assert "[github-token]" in ended.err
    assert not token.strip() or token not in ended.err
    assert api.requests == []


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "https://me:pw@example.org", "x", "https://["]
)
def test_the_token_is_sent_to_no_address_without_encryption(comment, api, monkeypatch, url):
    monkeypatch.setenv("GITHUB_API_URL", url)
    ended = comment()
    assert ended.code == 1
    assert "GITHUB_API_URL is no https:// URL [github-repository]" in ended.err


def test_no_traceback_shows_the_token(comment, api, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("reconciler.cli._github_comment.put_comment", fail)
    ended = comment()
    assert ended.code == 3
    assert "a bug" in ended.err
    assert api.token not in ended.err


@pytest.mark.parametrize("name", ["", "ml", "octo/ml/x", "../ml", "octo/ml?x=y"])
def test_a_repository_that_is_none_is_an_error(comment, api, monkeypatch, name):
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    assert "GITHUB_REPOSITORY is not OWNER/NAME [github-repository]" in comment().err
