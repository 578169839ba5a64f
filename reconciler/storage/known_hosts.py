"""Files of known hosts: the keys of machines that are reached by ssh. No line of one is shown: it can be any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import asyncssh

from reconciler.regular_files import read_regular_file

HINT = "correct or remove the line, or set another file as known_hosts: in mlgit.yml"
_MARKERS, _ENTRY_WORDS = ("@cert-authority", "@revoked"), 3
_MAX_BYTES = 1 << 22


class KnownHostsError(Exception):
    """A file that is no file of known hosts; the text says where and what is wrong, ``hint`` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_known_hosts(path: Path) -> str:
    """Return the text of a file of known hosts, "" if there is no file; raises KnownHostsError."""
    try:
        content = read_regular_file(path, _MAX_BYTES)
    except FileNotFoundError:
        return ""
    except OSError as error:
        message = f"{path}, which has the keys of hosts, cannot be read: {error.strerror}"
        raise KnownHostsError(message, "correct known_hosts: in mlgit.yml") from error
    if len(content) > _MAX_BYTES:
        message = f"{path}, which is to have the keys of hosts, is longer than {_MAX_BYTES >> 20} MB"
        raise KnownHostsError(message, "correct known_hosts: in mlgit.yml")
    return content.decode("utf-8", "replace")


def parse_known_hosts(text: str, where: str) -> asyncssh.SSHKnownHosts:
    """Return the known hosts of a text; raises KnownHostsError for its first line that is no entry."""
    try:
        return asyncssh.import_known_hosts(text)
    except ValueError:
        for number, line in enumerate(text.splitlines(), 1):
            try:
                asyncssh.import_known_hosts(f"{line}\n")
            except ValueError:
                message = f"{where}:{number}: this is no entry of a file of known hosts: {_describe(line.split())}"
                raise KnownHostsError(message, HINT) from None
        raise


def _describe(words: Sequence[str]) -> str:
    """Return what is wrong with a line that is no entry."""
    if words[0].startswith("@") and words[0] not in _MARKERS:
        return f"its marker is neither {' nor '.join(_MARKERS)}"
    if len(words) < _ENTRY_WORDS + words[0].startswith("@"):
        return "that has a host, the type of its key, and the key"
    return "the name of its host cannot be read"
