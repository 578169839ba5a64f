"""The pull request that writes drift back into Git: one branch for each target, with one commit that is rewritten."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap
from typing import NamedTuple

from github import InputGitTreeElement, UnknownObjectException
from github.GitCommit import GitCommit
from github.GitRef import GitRef
from github.PullRequest import PullRequest

from reconciler.diagnostics import user_error
from reconciler.github.client import Client, asking
from reconciler.github.comments import Posted, normalize_text

_BRANCH_PERMISSION = "contents: write"
_PULL_PERMISSION = "pull-requests: write"
_FILE_MODE = "100644"
LEFT_CLOSED = "left closed: a pull request with the same changes was closed before"
_LEFT_ALONE = "left alone: its branch has a commit of another author"
_PROTECTED = frozenset({"", ".", "..", ".git", ".github"})


class WriteBackFiles(NamedTuple):
    """What a pull request changes: its title and text, the commit it starts from, and the files, None for a removal.

    The first line of the text identifies the changes, whatever commit they start from.
    """

    target: str
    commit: str
    title: str
    body: str
    files: Mapping[str, str | None]

    @property
    def message(self) -> str:
        """The message of the commit; by its last line a commit of a person on the same branch is told apart."""
        return f"{self.title}\n\n{_trailer(self.target)}"


def put_write_back(client: Client, files: WriteBackFiles) -> Posted:
    """Open or update the pull request that changes files.

    One that a person has closed is not opened again for the same changes, whatever else has changed since and whether
    or not its branch is gone. A branch with a commit of a person is left as it is.
    """
    _check_paths(files.files)
    branch = _branch(files.target)
    with asking(f"commit {files.commit[:10]}", _BRANCH_PERMISSION):
        start = client.repository.get_git_commit(files.commit)
        start.complete()
    with asking(f"the branch {branch}", _BRANCH_PERMISSION):
        tree = client.repository.create_git_tree([*starmap(_tree_element, files.files.items())], start.tree)
        ref = _find_ref(client, branch)
        last = client.repository.get_git_commit(ref.object.sha) if ref else None
    newest = _find_newest_pull(client, branch)
    if last is not None and _trailer(files.target) not in last.message:
        return Posted(newest.html_url if newest else branch, _LEFT_ALONE)
    is_same_tree = last is not None and last.tree.sha == tree.sha
    is_refused = newest is not None and newest.state == "closed" and not newest.merged_at
    if newest and is_refused and _marker(newest.body) == _marker(files.body):
        return Posted(newest.html_url, LEFT_CLOSED)
    is_pushed = last is None or not is_same_tree or [parent.sha for parent in last.parents] != [start.sha]
    if is_pushed:
        with asking(f"a commit on the branch {branch}", _BRANCH_PERMISSION):
            commit = client.repository.create_git_commit(files.message, tree, [start])
            _move_branch(client, branch, ref, commit)
    return _put_pull(client, branch, files, newest, is_pushed=is_pushed)


def close_write_back(client: Client, target: str) -> Posted | None:
    """Close the open pull request of a target, and remove its branch; None if there is none.

    It loses its first line, so that the same changes are not taken for unwanted when they are needed again.
    """
    branch = _branch(target)
    newest = _find_newest_pull(client, branch)
    if newest is None or newest.state != "open":
        return None
    with asking(f"pull request {newest.number}", _PULL_PERMISSION):
        text = normalize_text(newest.body).removeprefix(_marker(newest.body)).lstrip("\n")
        newest.edit(state="closed", body=text)
    with asking(f"the branch {branch}", _BRANCH_PERMISSION):
        ref = _find_ref(client, branch)
        if ref:
            ref.delete()
    return Posted(newest.html_url, "closed")


def _put_pull(
    client: Client, branch: str, files: WriteBackFiles, newest: PullRequest | None, *, is_pushed: bool
) -> Posted:
    with asking(f"a pull request of the branch {branch}", _PULL_PERMISSION):
        if newest is None or newest.state != "open":
            base = client.repository.default_branch
            created = client.repository.create_pull(base, branch, title=files.title, body=files.body)
            return Posted(created.html_url, "opened")
        is_text_new = (newest.title, normalize_text(newest.body)) != (files.title, normalize_text(files.body))
        if is_text_new:
            newest.edit(title=files.title, body=files.body)
        return Posted(newest.html_url, "updated" if is_pushed or is_text_new else "unchanged")


def _marker(text: str | None) -> str:
    return normalize_text(text).partition("\n")[0]


def _branch(target: str) -> str:
    return f"mlgit/write-back-{target}"


def _trailer(target: str) -> str:
    return f"Written-back-by: mlgit {target}"


def _tree_element(path: str, text: str | None) -> InputGitTreeElement:
    """Return what gives a file of a tree a text, or removes it."""
    if text is None:
        return InputGitTreeElement(path, _FILE_MODE, "blob", sha=None)
    return InputGitTreeElement(path, _FILE_MODE, "blob", content=text)


def _find_ref(client: Client, branch: str) -> GitRef | None:
    try:
        ref = client.repository.get_git_ref(f"heads/{branch}")
        ref.complete()
    except UnknownObjectException:
        return None
    return ref


def _move_branch(client: Client, branch: str, ref: GitRef | None, commit: GitCommit) -> None:
    if ref is None:
        client.repository.create_git_ref(f"refs/heads/{branch}", commit.sha)
    else:
        ref.edit(commit.sha, force=True)


def _find_newest_pull(client: Client, branch: str) -> PullRequest | None:
    """Return the newest pull request of a branch of the repository, open or closed."""
    owner = client.access.repository.partition("/")[0]
    with asking(f"the pull requests of the branch {branch}", _PULL_PERMISSION):
        pulls = client.repository.get_pulls(state="all", head=f"{owner}:{branch}")
        return max(pulls, key=lambda pull: pull.number, default=None)


def _check_paths(paths: Mapping[str, str | None]) -> None:
    """Raise UserError ``drift-file`` for a path that leads out of the repository or to what a workflow runs."""
    for path in paths:
        names = path.lower().split("/")
        if _PROTECTED & {*names} or "\\" in path or "\0" in path:
            message = f"{path} is no file that drift is written back to"
            raise user_error("drift-file", message, "make the files with `mlgit ci drift --out FOLDER`")
