"""A Git repository: found, asked, and given objects. Everything goes through Git's own commands."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from git import Git, Repo
from git.exc import GitCommandError, InvalidGitRepositoryError, NoSuchPathError

from reconciler.diagnostics import UserError, user_error

# What a clone's own settings must not do to us: run a script of the repository (hooks are often kept in one, and named
# by core.hooksPath; `git add` has a hook of its own), ask a daemon, or write a cache for later.
_SAFE_CONFIG = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false")
_DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded", "Out of diskspace")
_SAFE_CONFIG_OPTIONS = [part for setting in _SAFE_CONFIG for part in ("-c", setting)]

FALLBACK_NAME = "mlgit"
FALLBACK_EMAIL = "mlgit@localhost"


class _SafeGit(Git):
    """Git that runs no hooks, in sessions of its own.

    So Ctrl-C reaches mlgit alone, which still writes down what was done by then.
    """

    def execute(self, command: Any, *arguments: Any, **options: Any) -> Any:
        program, *rest = command
        try:
            return super().execute(
                [program, *_SAFE_CONFIG_OPTIONS, *rest], *arguments, **{"start_new_session": True, **options}
            )
        except GitCommandError as error:
            if any(each in str(error.stderr) for each in _DISK_FULL_MESSAGES):
                message = f"Git has no room left to write to: {_disk_full_line(error)}"
                raise user_error("disk-full", message, "free some space; what was recorded by then stands") from error
            raise


class _SafeRepo(Repo):
    GitCommandWrapperType = _SafeGit


class Repository:
    """One Git repository with a work tree, open."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.top = Path(repo.working_dir).resolve()
        self.common = Path(repo.common_dir).resolve()
        linked = Path(repo.git_dir).resolve() != self.common  # one of several work trees, and not the first
        first = self.common.parent if self.common.name == ".git" else self.common
        self.main = first if linked else self.top  # what all its work trees share lies here
        self._reading = threading.RLock()
        self._scratch: Path | None = None

    def git(self, *arguments: str, env: Mapping[str, str] | None = None, **options: object) -> str:
        """Run one Git command and return what it prints, the last newline aside."""
        command = [self.repo.git.GIT_PYTHON_GIT_EXECUTABLE, *arguments]
        return str(self.repo.git.execute(command, env=dict(env or {}), **options))  # type: ignore[call-overload]

    @contextmanager
    def object_reader(self) -> Iterator[Git]:
        """Give Git with the processes that stay open and answer all that read objects, one question at a time.

        One that is left in the middle of an answer, by Ctrl-C, is ended: it would give the rest to whoever comes next.
        A ValueError says that there is no such object.
        """
        with self._reading:
            try:
                yield self.repo.git
            except ValueError:
                raise
            except BaseException:
                self.repo.git.clear_cache()
                raise

    def reopen(self) -> Repository:
        """Open the repository once more, with Git processes of its own: for a process that parted from this one."""
        other = Repository(_SafeRepo(self.top))
        other.repo.git.update_environment(**self.repo.git.environment())
        return other

    def head(self) -> str:
        """Return the commit that is checked out, "" in a repository without commits."""
        return self.resolve("HEAD")

    def resolve(self, revision: str) -> str:
        """Return the commit that a revision names, "" where it names none."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except GitCommandError:
            return ""

    def tree_of(self, commit: str) -> str:
        """Return the tree of a commit."""
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}")

    def write_work_tree(self, *without: str, keep: bool = False) -> str:
        """Write the work tree, untracked files too, as a tree; what lies below the folders ``without`` is left out.

        The index is one of our own, and so is the place for objects: neither the user's index nor what Git keeps
        changes, and the tree can be read only here, while this process lives. With ``keep`` Git keeps it for real.
        A UserError where Git cannot read a file.
        """
        with tempfile.TemporaryDirectory(prefix="mlgit-index-") as folder:
            index = Path(folder) / "index"
            own = Path(self.repo.git_dir) / "index"
            if own.exists():
                shutil.copy2(own, index)
            environment = {
                "GIT_INDEX_FILE": str(index),
                **(self._persistent_objects_env() if keep else self._scratch_objects_env()),
            }
            left_out = [f":(top,exclude,literal){each}" for each in without if not self._is_ignored(each)]
            try:
                self.git("add", "--all", "--", ":/", *left_out, env=environment)
            except GitCommandError as error:
                raise _work_tree_error(error) from error
            return self.git("write-tree", env=environment)

    def _is_ignored(self, path: str) -> bool:
        """Tell whether Git leaves a path out by itself; it takes offence where it is told to do so once more."""
        try:
            self.git("check-ignore", "--quiet", "--", str(self.top / path))
        except GitCommandError as error:
            if error.status != 1:
                raise
            return False
        return True

    def _persistent_objects_env(self) -> dict[str, str]:
        """Return what makes Git keep objects itself, also those that it would find in our folder."""
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")}

    def _scratch_objects_env(self) -> dict[str, str]:
        """Return what makes Git write objects to a folder that goes with us; from now on they are read from there."""
        objects = os.environ.get("GIT_OBJECT_DIRECTORY") or str(self.common / "objects")
        known = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="mlgit-objects-"))
            weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
            self.repo.git.update_environment(
                GIT_ALTERNATE_OBJECT_DIRECTORIES=_join_alternates(str(self._scratch), known)
            )
            self.repo.git.clear_cache()  # what reads objects already has not heard of the folder
        alternates = _join_alternates(objects, known)
        return {"GIT_OBJECT_DIRECTORY": str(self._scratch), "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates}

    def commit_tree(self, tree: str, parent: str, message: str) -> str:
        """Store a tree as a commit that no branch has."""
        parents = ["-p", parent] if parent else []
        return self.git("commit-tree", tree, *parents, "-m", message, env=self.identity_env())

    def default_remote(self) -> str:
        """Return the name of the remote that this clone shares with others, "" where it has none."""
        names = self.git("remote").split()
        return "origin" if "origin" in names else next(iter(names), "")

    def is_shallow(self) -> bool:
        """Tell whether history was cut off when the repository was cloned."""
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def is_ancestor(self, commit: str, of: str) -> bool | None:
        """Tell whether one commit is behind another.

        None where this clone cannot know: it has not the other, or is shallow and has not this one.
        """
        if not of or not self.resolve(of):
            return None if of else False
        if self.resolve(commit):
            try:
                self.git("merge-base", "--is-ancestor", commit, of)
            except GitCommandError as error:
                if error.status != 1:
                    raise
            else:
                return True
        return None if self.is_shallow() else False

    def list_ancestors(self, commit: str) -> list[str]:
        """Return a commit and those that it follows, newest first."""
        return self.git("rev-list", commit).split()

    def identity_env(self) -> dict[str, str]:
        """Return who writes: the user that Git knows, else mlgit itself, so that a bare machine can work."""
        known: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            try:
                self.git("var", f"GIT_{role}_IDENT")
            except GitCommandError:
                known |= {f"GIT_{role}_NAME": FALLBACK_NAME, f"GIT_{role}_EMAIL": FALLBACK_EMAIL}
        return known

    def close(self) -> None:
        """End the Git processes that reading keeps open, and forget what was set aside."""
        self.repo.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def open_repository(start: Path) -> Repository:
    """Open the repository that a folder is in; a UserError where there is none."""
    try:
        repo = _SafeRepo(start, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        message = f"{start} is not in a Git repository"
        hint = "mlgit keeps the workspace in Git: run `git init` here, or `mlgit init DIR` for a new workspace"
        raise user_error("not-a-git-repository", message, hint) from error
    if repo.bare:
        repo.close()
        raise user_error("bare-repository", f"{start} is a bare repository", "run mlgit in a clone with a work tree")
    return Repository(repo)


def create_repository(folder: Path, message: str) -> Repository:
    """Make a repository of a folder with all its files in a first commit."""
    repository = Repository(_SafeRepo.init(folder, initial_branch="main"))
    repository.git("add", "--all")
    environment = repository.identity_env()
    repository.git("-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message, env=environment)
    return repository


def is_inside_repository(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that exists, is in a Git repository."""
    while not folder.is_dir():
        folder = folder.parent
    try:
        Repo(folder, search_parent_directories=True).close()
    except InvalidGitRepositoryError:
        return False
    return True


def user_name() -> str:
    """Name who runs this process, for messages and records."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or _account_name()


def _account_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return str(os.getuid())


def _join_alternates(folder: str, others: str) -> str:
    """Put a folder before others in the form in which Git reads them: in quotes, for it may have a colon."""
    quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
    return os.pathsep.join(filter(None, [f'"{quoted}"', others]))


_NO_COMMIT_MESSAGE = "does not have a commit checked out"


def _work_tree_error(error: GitCommandError) -> UserError:
    said = [line.partition(": ")[2] for line in _stderr_lines(error) if line.startswith(("error: ", "fatal: "))]
    cause = next(iter(said), f"git add ended with {error.status}")
    hint = "correct that, or put the file into .gitignore"
    if _NO_COMMIT_MESSAGE in cause:
        hint = "it is a Git repository of its own: make a commit in it, or put it into .gitignore"
    return user_error("work-tree-unreadable", f"Git cannot read the work tree: {cause}", hint)


def _disk_full_line(error: GitCommandError) -> str:
    return next(
        (line for line in _stderr_lines(error) if any(each in line for each in _DISK_FULL_MESSAGES)), "the disk is full"
    )


def _stderr_lines(error: GitCommandError) -> list[str]:
    """Return the lines that Git wrote before it failed; GitPython hands them on in quotes, under a title."""
    return str(error.stderr).strip().removeprefix("stderr: ").strip("'").splitlines()
