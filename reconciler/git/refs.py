"""Refs that move by compare-and-swap, and commits made from many small files in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from reconciler.git.command import GitError
from reconciler.git.repository import Repository
from reconciler.model import EMPTY_MAPPING

NULL_OID = "0" * 40
_SCRATCH_REF = "refs/mlgit-scratch/import"


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref from a commit to another: "" is no ref at all; where ``old`` is None, what was there does not matter."""

    ref: str
    new: str
    old: str | None


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to be made on a parent: files written, or removed where the content is None, and whole trees."""

    parent: str
    files: Mapping[str, bytes | None]
    message: str
    trees: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a ref's history, newest first: who, when (ISO 8601) and the whole message."""

    oid: str
    author: str
    authored_at: str
    message: str


def resolve_ref(repository: Repository, ref: str) -> str:
    """Return the commit that a ref points to, "" where there is no such ref."""
    return repository.resolve(ref)


def list_refs(repository: Repository, prefix: str) -> Mapping[str, str]:
    """Return the refs below a prefix that ends in a slash, and what each points to."""
    listed = repository.git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    return {ref: commit for commit, ref in pairs}


def update_refs(repository: Repository, *moves: RefUpdate) -> bool:
    """Move refs, all of them or none, only if each still stands where its move begins."""
    asked = "start\n" + "".join(_update_command(update) for update in moves) + "prepare\ncommit\n"
    try:
        repository.write_git("update-ref", "-m", "mlgit", "--stdin", stdin=asked.encode())
    except GitError as error:
        moved = any(update.old is not None and resolve_ref(repository, update.ref) != update.old for update in moves)
        if moved or "File exists" in str(error):  # by another, or about to be
            return False
        raise
    return True


def _update_command(move: RefUpdate) -> str:
    old = "" if move.old is None else f" {move.old or NULL_OID}"
    return f"update {move.ref} {move.new}{old}\n" if move.new else f"delete {move.ref}{old}\n"


def commit_files(repository: Repository, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
    """Make a commit on a parent with files written, or removed where the content is None; no ref moves."""
    return create_commits(repository, [NewCommit(parent, files, message)])[0]


def create_commits(repository: Repository, drafts: Sequence[NewCommit]) -> list[str]:
    """Make commits, all in one process; no ref moves."""
    stream = BytesIO()
    stream.write(b"feature done\n")
    name, email, when = _committer_identity(repository)
    for mark, draft in enumerate(drafts, start=1):
        body = draft.message.encode()
        stream.write(f"commit {_SCRATCH_REF}\nmark :{mark}\ncommitter {name} <{email}> {when}\n".encode())
        stream.write(b"data %d\n%s\n" % (len(body), body))
        if draft.parent:
            stream.write(f"from {draft.parent}\n".encode())
        for path, content in draft.files.items():
            if content is None:
                stream.write(b"D %s\n" % _quote_path(path))
            else:
                stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (_quote_path(path), len(content), content))
        for path, tree in draft.trees.items():
            stream.write(b"M 040000 %s %s\n" % (tree.encode(), _quote_path(path)))
        # The scratch ref goes within the stream: it never exists outside of it, and the next commit begins anew.
        stream.write(f"\nget-mark :{mark}\nreset {_SCRATCH_REF}\nfrom {NULL_OID}\n\n".encode())
    stream.write(b"done\n")
    return repository.write_git("fast-import", "--quiet", "--force", stdin=stream.getvalue()).split()


def _quote_path(path: str) -> bytes:
    """Write a path so that nothing in it can be taken for a command: names come from other people's trees, too."""
    plain = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain}"'.encode("utf-8", "surrogateescape")


def _committer_identity(repository: Repository) -> tuple[str, str, str]:
    written = repository.git("var", "GIT_COMMITTER_IDENT", env=repository.identity_env())
    name, _, rest = written.partition(" <")
    email, _, when = rest.partition("> ")
    return name, email, when


def ref_history(repository: Repository, ref: str, limit: int) -> Iterator[Commit]:
    """Yield the commits of a ref, newest first."""
    yield from parse_log(repository.git("log", f"--max-count={limit}", *LOG_FORMAT, ref, "--"))


LOG_FORMAT = ("-z", "--format=%H%n%an <%ae>%n%aI%n%B")


def parse_log(listed: str) -> Iterator[Commit]:
    """Read what ``git log`` lists in FORMAT; a message may have anything in it."""
    for part in listed.split("\0"):
        if part.strip():
            commit, author, when, message = [*part.strip("\n").split("\n", 3), ""][:4]
            yield Commit(commit, author, when, message.strip())
