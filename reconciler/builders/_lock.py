"""The lock of packages of pip: packages with versions and hashes, in the form of pip.

Its first line says for which Python it is if mlgit.yml lets the build use another than the environment requires: it is
of no use for any other.
"""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

from reconciler.diagnostics import user_error

_COMMENT = "# "
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def make_lock_header(variant: str) -> str:
    """Return the first line of the lock of a variant of an environment; "" if it is as it is declared."""
    return f"{_COMMENT}{variant}, as mlgit.yml says\n" if variant else ""


def lock_header(lock: str) -> str:
    """Return the first line of a lock if it says for which Python the lock is, else ""."""
    return lock[: lock.index("\n") + 1] if lock.startswith(_COMMENT) and "\n" in lock else ""


def parse_lock(address: str, lock: str) -> tuple[str, ...]:
    """Return the names of the packages of a lock; raises UserError if it has more than names, versions and hashes."""
    names = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith(_COMMENT):
            continue
        package, *hashes = line.split(" --hash=")
        try:
            requirement = Requirement(package.strip())
        except InvalidRequirement:
            requirement = None
        has_hashes = hashes and all(_SHA256.fullmatch(hash_value.strip()) for hash_value in hashes)
        if not requirement or requirement.url or not has_hashes:  # such a line could run code
            message = (
                f"{address}: the recorded lock has a line that is not a package with version and hash: {line[:80]}"
            )
            raise user_error("lock-invalid", message, "build it without the lock to make a new one")
        names.append(requirement.name)
    return tuple(names)
