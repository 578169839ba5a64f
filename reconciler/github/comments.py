"""The one comment of mlgit on a pull request: found by its first line and its author, edited, never repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from github import UnknownObjectException
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest

from reconciler.diagnostics import user_error
from reconciler.github.client import Client, asking

PERMISSION = "pull-requests: write"
_TRIES = 3


class Posted(NamedTuple):
    """What became of a comment: its address, and "created", "updated" or "unchanged"."""

    url: str
    verdict: str


def put_comment(client: Client, pull: PullRequest, marker: str, make_text: Callable[[str], str]) -> Posted:
    """Make the comment whose first line is a marker have the text that is made of its old one, and remove duplicates.

    The old text is "" if there is no comment. Raise UserError ``github-conflict`` if it is deleted as often as it
    is written.
    """
    login = client.find_login()
    for _ in range(_TRIES):
        with asking(f"a comment on pull request {pull.number}", PERMISSION):
            try:
                return _put(pull, marker, make_text, login)
            except UnknownObjectException:
                continue  # it was deleted between two requests
    message = f"the comment on pull request {pull.number} was deleted {_TRIES} times while it was written"
    raise user_error("github-conflict", message, "see which other job deletes comments")


def _put(pull: PullRequest, marker: str, make_text: Callable[[str], str], login: str) -> Posted:
    """Write a comment; raise UnknownObjectException if it is deleted at the same time."""
    comments = _find_comments(pull, marker, login)
    if comments:
        return _update(comments, make_text)
    created = pull.create_issue_comment(make_text(""))
    # Another job may have made one at the same time, as may a request whose answer was lost; and only now it is certain
    # whose token this is.
    comments = _find_comments(pull, marker, created.user.login)
    if [comment.id for comment in comments] in ([], [created.id]):
        return Posted(created.html_url, "created")
    return _update(comments, make_text)


def _update(comments: list[IssueComment], make_text: Callable[[str], str]) -> Posted:
    """Keep the oldest of some comments, with a new text."""
    kept, *duplicates = comments
    old = normalize_text(kept.body)
    text = make_text(old)
    is_equal = old == normalize_text(text)
    if not is_equal:
        kept.edit(text)
    for duplicate in duplicates:
        _delete(duplicate)
    return Posted(kept.html_url, "unchanged" if is_equal else "updated")


def _delete(comment: IssueComment) -> None:
    try:
        comment.delete()
    except UnknownObjectException:
        return  # another process was faster


def _find_comments(pull: PullRequest, marker: str, login: str) -> list[IssueComment]:
    """Return the comments of an author with a marker, oldest first."""
    comments = (
        comment
        for comment in pull.get_issue_comments()
        if comment.user and comment.user.login == login and normalize_text(comment.body).partition("\n")[0] == marker
    )
    return sorted(comments, key=lambda comment: comment.id)


def normalize_text(text: str | None) -> str:
    """Return text as it was sent: GitHub may change the ends of lines."""
    return (text or "").replace("\r\n", "\n").rstrip()
