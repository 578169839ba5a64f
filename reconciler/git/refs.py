"""Update refs by compare-and-swap, and create commits of many small files in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import NamedTuple

from reconciler.git.command import GitError
from reconciler.git.repository import Repository
from reconciler.model import EMPTY_MAPPING

NULL_OID = "0" * 40
_SCRATCH_REF = "refs/mlgit-scratch/import"


class RefUpdate(NamedTuple):
    """An update of a ref from one commit to another; "" means no ref, and ``old`` None skips the comparison."""

    ref: str
    new: str
    old: str | None


class NewCommit(NamedTuple):
    """A commit to create on a parent: file contents by path, None to delete a file, and trees by path."""

    parent: str
    files: Mapping[str, bytes | None]
    message: str
    trees: Mapping[str, str] = EMPTY_MAPPING


class Commit(NamedTuple):
    """One commit of a ref's history; ``authored_at`` is an ISO 8601 timestamp, ``message`` is complete."""

    oid: str
    author: str
    authored_at: str
    message: str


def resolve_ref(repository: Repository, ref: str) -> str:
    """Return the commit that a ref points to; "" if there is no such ref."""
    return repository.resolve(ref)


def list_refs(repository: Repository, prefix: str) -> Mapping[str, str]:
    """Return the commits that the refs below a prefix point to, by ref; the prefix ends in a slash."""
    output = repository.git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    pairs = (line.split(" ", 1) for line in output.splitlines())
    return {ref: commit for commit, ref in pairs}


# What Git says if another process was first: it holds the lock file of the ref, or the ref was not as expected, even if
# it is so again by now.
_LOST_RACES = ("File exists", "reference already exists", "but expected", "unable to resolve reference")


def update_refs(repository: Repository, *updates: RefUpdate) -> bool:
    """Update all refs or none; return False if another process changed one of them first."""
    commands = "start\n" + "".join(_update_command(update) for update in updates) + "prepare\ncommit\n"
    try:
        repository.write_git("update-ref", "-m", "mlgit", "--stdin", stdin=commands.encode())
    except GitError as error:
        changed = any(
            update.old is not None and resolve_ref(repository, update.ref) != update.old for update in updates
        )
        if changed or any(reason in str(error) for reason in _LOST_RACES):
            return False
        raise
    return True


def _update_command(update: RefUpdate) -> str:
    old = "" if update.old is None else f" {update.old or NULL_OID}"
    return f"update {update.ref} {update.new}{old}\n" if update.new else f"delete {update.ref}{old}\n"


def commit_files(repository: Repository, parent: str, files: Mapping[str, bytes | None], message: str) -> str:
    """Create a commit that writes files, or deletes those whose content is None; return its ID. No ref changes."""
    return create_commits(repository, [NewCommit(parent, files, message)])[0]


def create_commits(repository: Repository, new_commits: Sequence[NewCommit]) -> list[str]:
    """Create commits in one process and return their IDs. No ref changes."""
    stream = BytesIO()
    stream.write(b"feature done\n")
    name, email, date = _committer_identity(repository)
    for mark, new_commit in enumerate(new_commits, start=1):
        message = new_commit.message.encode()
        stream.write(f"commit {_SCRATCH_REF}\nmark :{mark}\ncommitter {name} <{email}> {date}\n".encode())
        stream.write(b"data %d\n%s\n" % (len(message), message))
        if new_commit.parent:
            stream.write(f"from {new_commit.parent}\n".encode())
        for path, content in new_commit.files.items():
            if content is None:
                stream.write(b"D %s\n" % _quote_path(path))
            else:
                stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (_quote_path(path), len(content), content))
        for path, tree in new_commit.trees.items():
            stream.write(b"M 040000 %s %s\n" % (tree.encode(), _quote_path(path)))
        # Reset the scratch ref within the stream: no other process sees it, and the next commit starts without it.
        stream.write(f"\nget-mark :{mark}\nreset {_SCRATCH_REF}\nfrom {NULL_OID}\n\n".encode())
    stream.write(b"done\n")
    return repository.write_git("fast-import", "--quiet", "--force", stdin=stream.getvalue()).split()


def _quote_path(path: str) -> bytes:
    """Quote a path for fast-import, so that an untrusted name cannot inject a command."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode("utf-8", "surrogateescape")


def _committer_identity(repository: Repository) -> tuple[str, str, str]:
    identity = repository.git("var", "GIT_COMMITTER_IDENT", env=repository.identity_env())
    name, _, rest = identity.partition(" <")
    email, _, date = rest.partition("> ")
    return name, email, date


def ref_history(repository: Repository, ref: str, limit: int) -> Iterator[Commit]:
    """Yield the commits of a ref, newest first."""
    yield from parse_log(repository.git("log", f"--max-count={limit}", *LOG_FORMAT, ref, "--"))


LOG_FORMAT = ("-z", "--format=%H%n%an <%ae>%n%aI%n%B")


def parse_log(output: str) -> Iterator[Commit]:
    """Yield the commits in the output of ``git log`` with LOG_FORMAT; a message can contain any text."""
    for entry in output.split("\0"):
        if entry.strip():
            oid, author, authored_at, message = [*entry.strip("\n").split("\n", 3), ""][:4]
            yield Commit(oid, author, authored_at, message.strip())
