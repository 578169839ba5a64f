"""The server that tests take for GitHub: it keeps what it is told, and lets nothing pass that GitHub would not."""

from __future__ import annotations

import pytest
import requests
from github import Auth, Github
from github_api import TOKEN, Fault, GithubApi

pytestmark = pytest.mark.services


def send(api: GithubApi, method: str, path: str, body: object = None) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.request(method, f"{api.url}{path}", json=body, headers=headers, timeout=10)
    return answer.status_code, answer.json()


def test_a_comment_is_made_and_found_again(github_api):
    github_api.add_pull(7, "a" * 40)
    with Github(auth=Auth.Token(TOKEN), base_url=github_api.url) as client:
        pull = client.get_repo("octo/ml").get_pull(7)
        pull.create_issue_comment("first")
        assert [(comment.body, comment.user.login) for comment in pull.get_issue_comments()] == [
            ("first", "github-actions[bot]")
        ]


def test_lists_come_in_pages(github_api):
    github_api.add_pull(7, "a" * 40)
    for number in range(65):
        github_api.add_comment(7, str(number))
    with Github(auth=Auth.Token(TOKEN), base_url=github_api.url) as client:
        comments = client.get_repo("octo/ml").get_pull(7).get_issue_comments()
        assert [comment.body for comment in comments] == [str(number) for number in range(65)]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/repos/octo/ml/issues/7/comments", {}, "'body' is a required property"),
        ("POST", "/repos/octo/ml/issues/7/comments", {"body": "x", "edit": True}, "has no edit"),
        ("GET", "/repos/octo/ml/issues/seven/comments", None, "issue_number"),
        ("GET", "/repos/octo/ml/pulls?state=opened", None, "'opened' is not one of"),
        ("GET", "/repos/octo/ml/pulls?stat=open", None, "has no stat"),
        ("GET", "/repos/octo/ml/comments/sticky", None, "Path not found"),
    ],
)
def test_what_github_does_not_describe_is_refused(github_api, method, path, body, said):
    github_api.add_pull(7, "a" * 40)
    status, answer = send(github_api, method, path, body)
    assert status == 422
    assert said in answer["message"]
    assert len(github_api.violations) == 1
    github_api.violations.clear()


def test_a_branch_with_slashes_is_one_parameter(github_api):
    sha = github_api.add_branch("mlgit/drift", {"a": "1"})
    status, answer = send(github_api, "GET", "/repos/octo/ml/git/ref/heads/mlgit/drift")
    assert (status, answer["object"]["sha"]) == (200, sha)


def test_a_fault_hits_the_requests_it_names_and_no_other(github_api):
    github_api.add_pull(7, "a" * 40)
    github_api.faults.append(Fault("GET .*/pulls/7", "502", times=1))
    assert send(github_api, "GET", "/repos/octo/ml/issues/7/comments")[0] == 200
    assert send(github_api, "GET", "/repos/octo/ml/pulls/7")[0] == 502
    assert send(github_api, "GET", "/repos/octo/ml/pulls/7")[0] == 200
