"""Git's own commands, run one at a time without GitPython, which takes longer to load than most answers take."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.git.process import read_all, read_all_from_network, register
from reconciler.secrets.urls import mask_url_secrets

# What a clone's own settings must not do to us: run a script of the repository (hooks are often kept in one, and named
# by core.hooksPath; `git add` has a hook of its own), ask a daemon, or write a cache for later.
_SAFE_CONFIG = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false")
SAFE_CONFIG_OPTIONS = [option for setting in _SAFE_CONFIG for option in ("-c", setting)]
# Git holds a file in memory as a whole that is smaller than this (512 MB by default).
STREAMING_OPTIONS = ("-c", "core.bigFileThreshold=16m")

# Error messages are matched, so Git must not translate them.
_UNTRANSLATED = {"LANGUAGE": "C", "LC_ALL": "C"}
_UNTRUSTED_REPOSITORY = r"dubious ownership in repository at '(.*)'"
_NO_COMMIT_MESSAGE = "does not have a commit checked out"
_DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded", "Out of diskspace")


class GitError(Exception):
    """A Git command failed: its exit code, and what it wrote to standard output and standard error."""

    def __init__(self, status: int, stderr: str, stdout: str = "") -> None:
        self.status = status
        self.stderr = mask_url_secrets(stderr)
        self.stdout = stdout

    def __str__(self) -> str:
        return f"git exited with status {self.status}: {self.stderr}"


def run_git(
    arguments: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None, stdin: bytes | None = None
) -> bytes:
    """Run one Git command in a folder and return its standard output.

    Raises GitError if it fails, UserError ``git-missing`` without Git, ``disk-full`` without room to write to,
    ``git-timeout`` if it does not end.
    """
    with start_git(arguments, folder, env=env, has_stdin=stdin is not None) as process:
        return output_of(process, *read_all(process, stdin))


def run_network_git(arguments: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None) -> bytes:
    """Run one Git command that talks to a remote. Raises what `run_git` does, and GitTimeoutError if it is silent."""
    with start_git(arguments, folder, env=env, has_stdin=False) as process:
        return output_of(process, *read_all_from_network(process))


_DAMAGED_INDEX = (
    r"(?m)^(?:fatal|error): (.*(?:index file|bad index|bad signature 0x|index uses|in the index|stage entries).*)"
)


def output_of(process: subprocess.Popen[bytes], stdout: bytes, stderr: bytes) -> bytes:
    """Return the standard output of a process that has ended; raise what `run_git` does if it failed."""
    if process.returncode:
        raise describe_git_error(GitError(process.returncode, decode_output(stderr), decode_output(stdout)))
    return stdout


def start_git(
    arguments: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    has_stdin: bool = True,
    has_stderr: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a Git command in a session of its own: Ctrl-C reaches mlgit alone, which still records what was done."""
    try:
        process = subprocess.Popen(
            ["git", *SAFE_CONFIG_OPTIONS, *arguments],
            cwd=folder,
            env={**os.environ, **_UNTRANSLATED, **(env or {})},
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if has_stderr else subprocess.DEVNULL,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if error.filename != "git":
            raise
        hint = "install Git and make sure that it is in PATH: https://git-scm.com/downloads"
        raise user_error("git-missing", "the command git was not found", hint) from error
    register(process)
    return process


def trust_command(error: GitError) -> str:
    """Return the command that makes Git trust a repository of another user, "" if that is not the error."""
    match = re.search(_UNTRUSTED_REPOSITORY, error.stderr)
    return f"git config --global --add safe.directory {shlex.quote(match[1])}" if match else ""


def describe_git_error(error: GitError) -> GitError | UserError:
    """Return the error to raise for a command that failed: of a full disk or a limit, one that the user can act on."""
    if error.status in {-signal.SIGXFSZ, 128 + signal.SIGXFSZ}:
        hint = "raise the limit on the size of files (`ulimit -f`) and run the command again"
        return user_error("file-unusable", "Git cannot write a file: it exceeds the limit on the size of files", hint)
    if damage := re.search(_DAMAGED_INDEX, error.stderr):
        hint = "write it anew: `rm .git/index && git reset` keeps all files, and forgets what was staged"
        return user_error("file-unusable", f"Git cannot read its index: {damage[1]}", hint)
    line = next((line for line in error.stderr.splitlines() if any(text in line for text in _DISK_FULL_MESSAGES)), "")
    if not line:
        return error
    hint = "free some space and run the command again; everything recorded so far is kept"
    return user_error("disk-full", f"Git has no room left to write: {line}", hint)


def decode_output(output: bytes) -> str:
    """Return output of Git as text without its last newline; paths may have bytes that are not UTF-8."""
    return output.decode("utf-8", "surrogateescape").removesuffix("\n")


def is_about_ignored_paths(error: GitError) -> bool:
    """Return True if `git add` has added all that it should, and says only that a path to exclude is ignored anyway."""
    has_other_errors = re.search(r"(?m)^(?:error|fatal):", error.stderr)
    return (
        error.status == 1 and "The following paths are ignored by one of your" in error.stderr and not has_other_errors
    )


def work_tree_error(error: GitError) -> UserError:
    """Return the error of a work tree that `git add` could not read, with its cause and what to do."""
    lines = error.stderr.splitlines()
    causes = [line.partition(": ")[2] for line in lines if line.startswith(("error: ", "fatal: "))]
    cause = next(iter(causes), f"git add exited with status {error.status}")
    hint = "fix the file, or add it to .gitignore"
    if _NO_COMMIT_MESSAGE in cause:
        hint = "it is a Git repository of its own: make a commit in it, or add it to .gitignore"
    return user_error("work-tree-unreadable", f"Git cannot read the work tree: {cause}", hint)
