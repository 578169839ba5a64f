"""Refs that move by compare-and-swap, and commits made from many small files in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from git.exc import GitCommandError

from reconciler.git.repository import Repository

ABSENT = "0" * 40
_SCRATCH = "refs/mlgit-scratch/import"


@dataclass(frozen=True, slots=True)
class Moment:
    """One commit of a ref's history, newest first: who, when (ISO 8601) and the whole message."""

    commit: str
    author: str
    when: str
    message: str


def read(repository: Repository, ref: str) -> str:
    """Return the commit that a ref points to, "" where there is no such ref."""
    return repository.resolve(ref)


def swap(repository: Repository, ref: str, new: str, old: str) -> bool:
    """Move a ref from one commit to another, only if it still stands at the old one ("" for: not yet made)."""
    try:
        repository.git("update-ref", "-m", "mlgit", "--", ref, new, old or ABSENT)
    except GitCommandError as error:
        if read(repository, ref) != old or "File exists" in str(error):  # moved, or being moved, by another
            return False
        raise
    return True


def commit_files(repository: Repository, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
    """Make a commit on a parent with files written, or removed where the content is None; no ref moves."""
    stream = BytesIO()
    name, email, when = _committer(repository)
    body = message.encode()
    stream.write(b"feature done\n")
    stream.write(f"commit {_SCRATCH}\nmark :1\ncommitter {name} <{email}> {when}\n".encode())
    stream.write(b"data %d\n%s\n" % (len(body), body))
    if parent:
        stream.write(f"from {parent}\n".encode())
    for path, content in files.items():
        if content is None:
            stream.write(f"D {path}\n".encode())
        else:
            stream.write(f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
    # The scratch ref goes within the stream: it never exists outside of it.
    stream.write(f"\nget-mark :1\nreset {_SCRATCH}\nfrom {ABSENT}\n\ndone\n".encode())
    with tempfile.TemporaryFile() as asked:
        asked.write(stream.getvalue())
        asked.seek(0)
        return str(repository.repo.git.execute(["git", "fast-import", "--quiet", "--force"], istream=asked))


def _committer(repository: Repository) -> tuple[str, str, str]:
    written = repository.git("var", "GIT_COMMITTER_IDENT", env=repository.identity())
    name, _, rest = written.partition(" <")
    email, _, when = rest.partition("> ")
    return name, email, when


def history(repository: Repository, ref: str, limit: int) -> Iterator[Moment]:
    """Yield the commits of a ref, newest first."""
    listed = repository.git("log", f"--max-count={limit}", "--format=%H%x1f%an <%ae>%x1f%aI%x1f%B%x1e", ref, "--")
    for each in listed.split("\x1e"):
        if each.strip():
            commit, author, when, message = each.strip("\n").split("\x1f")
            yield Moment(commit, author, when, message.strip())
