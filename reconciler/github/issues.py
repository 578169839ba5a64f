"""The one issue on the drift of a target: found by its first line and its author, opened, updated, closed."""

from __future__ import annotations

from github.Issue import Issue

from reconciler.github.client import Client, asking
from reconciler.github.comments import Posted, normalize_text

PERMISSION = "issues: write"


def put_issue(client: Client, title: str, text: str) -> Posted:
    """Make the open issue whose marker is the first line of a text have that text, and close its duplicates."""
    marker = text.partition("\n")[0]
    with asking("an issue on drift", PERMISSION):
        issues = _find_issues(client, marker, client.find_login())
        if issues:
            return _update(issues, text)
        created = client.repository.create_issue(title=title, body=text)
        # A request whose answer was lost, or another job, may have made one as well.
        issues = _find_issues(client, marker, created.user.login)
        if [issue.number for issue in issues] in ([], [created.number]):
            return Posted(created.html_url, "opened")
        return _update(issues, text)


def close_issues(client: Client, text: str) -> tuple[Posted, ...]:
    """Close the open issues whose marker is the first line of a text, with that text as their last."""
    marker = text.partition("\n")[0]
    with asking("the issue on drift", PERMISSION):
        issues = _find_issues(client, marker, client.find_login())
        for issue in issues:
            issue.edit(body=text, state="closed", state_reason="completed")
        return tuple(Posted(issue.html_url, "closed") for issue in issues)


def _update(issues: list[Issue], text: str) -> Posted:
    kept, *duplicates = issues
    is_equal = normalize_text(kept.body) == normalize_text(text)
    if not is_equal:
        kept.edit(body=text)
    for duplicate in duplicates:
        duplicate.edit(state="closed", state_reason="not_planned")
    return Posted(kept.html_url, "unchanged" if is_equal else "updated")


def _find_issues(client: Client, marker: str, login: str) -> list[Issue]:
    """Return the open issues of an author with a marker, oldest first."""
    issues = (
        issue
        for issue in client.repository.get_issues(state="open")
        if issue.user and issue.user.login == login and normalize_text(issue.body).partition("\n")[0] == marker
    )
    return sorted(issues, key=lambda issue: issue.number)
