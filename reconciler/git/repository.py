"""A Git repository: found, asked, and given objects. Everything goes through Git's own commands."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from reconciler.diagnostics import UserError, user_error
from reconciler.git.command import (
    STREAMING_OPTIONS,
    GitError,
    decode_output,
    is_about_ignored_paths,
    run_git,
    run_network_git,
    trust_command,
    work_tree_error,
)
from reconciler.git.objects import GitObject, ObjectReader, read_many_objects

FALLBACK_NAME = "mlgit"
FALLBACK_EMAIL = "mlgit@localhost"

_BATCH_THRESHOLD = 256  # objects that the process which stays open reads in less time than another one takes to start


class _GitWriter(Protocol):
    """What `git.writer` provides, which is loaded by name at the first write because GitPython takes long to load."""

    def run(self, arguments: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> str: ...


class Repository:
    """One Git repository with a work tree, open.

    What is read may also lie in a scratch folder for objects, which goes with the repository: there `write_work_tree`
    puts files that Git does not keep.
    """

    def __init__(
        self, top: Path, git_dir: Path, common: Path, scratch: Path | None = None, *, is_separate: bool = False
    ) -> None:
        self.top = top
        self.is_separate = is_separate  # nothing in the work tree tells Git where its directory is
        self._location = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(top)} if is_separate else {}
        self.git_dir = git_dir
        self.common = common
        is_linked = git_dir != common  # one of several work trees, and not the first
        first = common.parent if common.name == ".git" else common
        self.main = first if is_linked else top  # what all its work trees share lies here
        self._scratch = scratch or Path(tempfile.mkdtemp(prefix="mlgit-objects-"))
        alternates = _prepend_alternate(str(self._scratch))
        self.objects_env = {**self._location, "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates}
        self._objects = ObjectReader(top, self.objects_env)
        self._writer: _GitWriter | None = None
        self._identity: dict[str, str] | None = None
        self._own_scratch = None if scratch else self._scratch
        weakref.finalize(self, _release, self._objects, self._own_scratch)

    def git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run one Git command and return its output without the last newline. Raises GitError if it fails."""
        return decode_output(run_git(arguments, self.top, env={**self.objects_env, **(env or {})}))

    def network_git(self, *arguments: str, env: Mapping[str, str] | None = None, writes: bool = False) -> str:
        """Run one Git command that talks to a remote, with a deadline for its silence.

        With ``writes`` nothing counts as stored that only the scratch folder has. Raises GitError, GitTimeoutError.
        """
        objects_env = _persistent_objects_env() if writes else self.objects_env
        return decode_output(run_network_git(arguments, self.top, env={**objects_env, **(env or {})}))

    def write_git(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
        """Run one Git command that writes: as `git`, but nothing counts as stored that only the scratch folder has.

        It is run by GitPython, which is loaded by name here: what only reads does not load it.
        """
        if self._writer is None:
            folder = self.git_dir if self.is_separate else self.top
            self._writer = importlib.import_module("reconciler.git.writer").GitWriter(folder)
        return self._writer.run(arguments, {**_persistent_objects_env(), **self._location, **(env or {})}, stdin)

    def read_objects(self, names: Sequence[str]) -> list[GitObject | None]:
        """Return the object of each name, None for one that Git does not have or cannot read."""
        if len(names) > _BATCH_THRESHOLD:
            return read_many_objects(self.top, self.objects_env, names)
        return self._objects.read_all(names)

    def read_text(self, oid: str, max_bytes: int) -> bytes | None:
        """Return the content of an object, cut off one byte beyond ``max_bytes``; None if Git cannot read it."""
        (git_object,) = self._objects.read_all([oid], max_bytes)
        return git_object.content if git_object else None

    def object_size(self, oid: str) -> int | None:
        """Return the size of an object in bytes, None if Git does not have it or cannot read it."""
        (header,) = self._objects.read_headers([oid])
        return header.size if header else None

    def reopen(self) -> Repository:
        """Open the repository once more, with Git processes of its own: for use in a forked process."""
        return Repository(self.top, self.git_dir, self.common, self._scratch, is_separate=self.is_separate)

    def head(self) -> str:
        """Return the commit that is checked out, "" in a repository without commits."""
        return self.resolve("HEAD")

    def resolve(self, revision: str) -> str:
        """Return the commit that a revision names, "" if it names none."""
        (commit,) = self.resolve_objects([f"{revision}^{{commit}}"])
        return commit

    def resolve_objects(self, names: Sequence[str]) -> list[str]:
        """Return the id of the object of each name, "" for one that names none."""
        objects = self.read_objects(names)
        return [git_object.oid if git_object else "" for git_object in objects]

    def tree_of(self, commit: str) -> str:
        """Return the tree of a commit."""
        (tree,) = self.resolve_objects([f"{commit}^{{tree}}"])
        if not tree:
            raise GitError(1, f"{commit} has no tree")
        return tree

    def write_work_tree(self, *without: str, keep: bool = False, only: Iterable[str] = ()) -> str:
        """Write the work tree, untracked files too, as a tree; the folders ``without`` are left out.

        With ``only``, nothing but what is at those paths is written.

        The index is one of our own, and so is the folder for objects: neither the user's index nor what Git keeps
        changes, and the tree can be read only here, while this repository is open. With ``keep`` Git keeps it.
        Raises UserError ``work-tree-unreadable``.
        """
        with tempfile.TemporaryDirectory(prefix="mlgit-index-") as folder:
            index, own_index = Path(folder) / "index", self.git_dir / "index"
            if own_index.is_file():
                shutil.copy2(own_index, index)
            elif own_index.exists():  # a pipe or a device has no end
                hint = "remove it, then run `git reset`, which writes it anew and changes no file of yours"
                raise user_error("file-unusable", f"{own_index} cannot be used: it is not a regular file", hint)
            objects_env = _persistent_objects_env() if keep else self.scratch_objects_env()
            env = {**objects_env, "GIT_INDEX_FILE": str(index)}
            excluded = [f":(top,exclude,literal){path}" for path in without if self._may_be_added(path)]
            included = [f":(top,literal){path}" for path in only] or [":/"]
            try:
                self.git(*STREAMING_OPTIONS, "add", "--all", "--", *included, *excluded, env=env)
            except GitError as error:
                if not is_about_ignored_paths(error):
                    raise work_tree_error(error) from error
            return self.git("write-tree", env=env)

    def _may_be_added(self, path: str) -> bool:
        """Return True unless Git adds nothing at a path: it adds a link itself, and nothing that is behind one."""
        parents = (self.top / parent for parent in Path(path).parents)
        return os.path.lexists(self.top / path) and not any(parent.is_symlink() for parent in parents)

    def scratch_objects_env(self) -> dict[str, str]:
        """Return the environment in which Git writes objects to the scratch folder."""
        objects = os.environ.get("GIT_OBJECT_DIRECTORY") or str(self.common / "objects")
        return {
            "GIT_OBJECT_DIRECTORY": str(self._scratch),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _prepend_alternate(objects),
        }

    def commit_tree(self, tree: str, parent: str, message: str) -> str:
        """Store a tree as a commit that no branch has."""
        parents = ["-p", parent] if parent else []
        return self.write_git("commit-tree", tree, *parents, "-m", message, env=self.identity_env())

    def default_remote(self) -> str:
        """Return the name of the remote that this clone shares with others, "" if it has none."""
        names = self.git("remote").split()
        return "origin" if "origin" in names else next(iter(names), "")

    def is_shallow(self) -> bool:
        """Return True if the clone has only a part of the history."""
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def is_ancestor(self, commit: str, of: str) -> bool | None:
        """Return True if one commit is an ancestor of another, or the same.

        None if this clone cannot know: it does not have the other, or is shallow and does not have this one.
        """
        if not of or not self.resolve(of):
            return None if of else False
        if self.resolve(commit):
            try:
                self.git("merge-base", "--is-ancestor", commit, of)
            except GitError as error:
                if error.status != 1:
                    raise
            else:
                return True
        return None if self.is_shallow() else False

    def list_ancestors(self, commit: str) -> list[str]:
        """Return a commit and all its ancestors, newest first."""
        return self.git("rev-list", commit).split()

    def identity_env(self) -> dict[str, str]:
        """Return the environment that names the author: the user that Git knows, else mlgit, for a bare machine."""
        if self._identity is None:
            self._identity = self._find_identity()
        return self._identity

    def _find_identity(self) -> dict[str, str]:
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            try:
                self.git("var", f"GIT_{role}_IDENT")
            except GitError:
                identity |= {f"GIT_{role}_NAME": FALLBACK_NAME, f"GIT_{role}_EMAIL": FALLBACK_EMAIL}
        return identity

    def close(self) -> None:
        """End the Git processes that reading keeps open, and remove the scratch folder."""
        _release(self._objects, self._own_scratch)


def open_repository(start: Path) -> Repository:
    """Open the repository that a folder is in.

    Raises UserError ``not-a-git-repository``, ``bare-repository``, ``repository-not-trusted``.
    """
    questions = ["--is-bare-repository", "--absolute-git-dir", "--git-common-dir", "--show-toplevel"]
    try:
        answers = decode_output(run_git(["rev-parse", *questions], start)).split("\n")
        if len(answers) != len(questions):  # a folder has a line break in its name
            answers = [decode_output(run_git(["rev-parse", question], start)) for question in questions]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_a_repository_error(start) from error
    except GitError as error:
        raise _cannot_open_error(start, error) from error
    _, git_dir, common, top = answers
    return Repository(Path(top).resolve(), Path(git_dir).resolve(), (start / common).resolve())


def _cannot_open_error(start: Path, error: GitError) -> UserError:
    if error.stdout.startswith("true"):
        return user_error("bare-repository", f"{start} is a bare repository", "run mlgit in a clone with a work tree")
    if command := trust_command(error):
        message = f"Git does not trust the repository of {start}: it belongs to another user"
        return user_error("repository-not-trusted", message, f"if you do, run `{command}`")
    return _not_a_repository_error(start)


def _not_a_repository_error(start: Path) -> UserError:
    hint = (
        "mlgit keeps the workspace in Git: run `git init && mlgit init --here`, or `mlgit init DIR` for a new workspace"
    )
    return user_error("not-a-git-repository", f"{start} is not in a Git repository", hint)


def open_separate_repository(folder: Path, git_dir: Path) -> Repository:
    """Open a repository that `git.new_repository` has made."""
    return Repository(folder, git_dir, git_dir, is_separate=True)


def is_inside_repository(folder: Path) -> bool:
    """Return True if a folder, or the nearest one above it that exists, is in a Git repository."""
    while not folder.is_dir():
        folder = folder.parent
    try:
        run_git(["rev-parse", "--git-dir"], folder)
    except GitError as error:
        return "dubious ownership" in error.stderr
    return True


def _persistent_objects_env() -> dict[str, str]:
    """Return the environment in which Git stores objects itself, also those that the scratch folder has."""
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")}


def _prepend_alternate(folder: str) -> str:
    """Return the folders of objects that Git is to read, with one before the user's; quoted, it may have a colon."""
    quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
    return os.pathsep.join(filter(None, [f'"{quoted}"', os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")]))


def _release(objects: ObjectReader, scratch: Path | None) -> None:
    objects.close()
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
