"""The lock of an environment of the builder `conda`: packages of conda by file and hashes, then those of pip.

    # conda linux-64
    python==3.11.7 @ conda-forge/linux-64/python-3.11.7-h955ad1f_0.conda \\
        --hash=sha256:... --hash=md5:...
    # pip
    six==1.17.0 \\
        --hash=sha256:...

A channel stands there by the name that it is declared with, so that a lock is of use with any mirror of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.builders._lock import parse_lock
from reconciler.diagnostics import user_error

PYTHON = "python"
_HEADER = re.compile(r"# conda (?P<platform>[a-z0-9]+-[a-z0-9]+)\n")
_PIP_HEADER = "# pip\n"
_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9_.-]+)==(?P<version>\S+) @ (?P<channel>\S+)/(?P<subdir>[a-z0-9-]+)/(?P<file>[^/\s]+)"
    r"(?: --hash=sha256:(?P<sha256>[0-9a-f]{64}))?(?: --hash=md5:(?P<md5>[0-9a-f]{32}))?"
)
_FILE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.(?:conda|tar\.bz2)")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package of conda: its file in a channel, and the hashes of that file; at least one is not blank."""

    name: str
    version: str
    channel: str
    subdir: str
    file: str
    sha256: str
    md5: str

    @property
    def build(self) -> str:
        """The build of the version, as the name of the file has it."""
        match = _FILE.fullmatch(self.file)
        return match["build"] if match else ""


@dataclass(frozen=True, slots=True)
class CondaLock:
    """The packages of a platform, and the lock of those of pip."""

    platform: str
    packages: tuple[LockedPackage, ...]
    pip_lock: str = ""

    @property
    def python(self) -> str:
        """The version of Python in it."""
        return next(package.version for package in self.packages if package.name == PYTHON)


def is_conda_lock(text: str) -> bool:
    """Return True if a text begins as a lock of the builder `conda`."""
    return bool(_HEADER.match(text))


def format_conda_lock(lock: CondaLock) -> str:
    """Return a lock as it is recorded."""
    lines = "".join(_format_package(package) for package in sorted(lock.packages, key=lambda package: package.name))
    pip_section = f"{_PIP_HEADER}{lock.pip_lock}" if lock.pip_lock else ""
    return f"# conda {lock.platform}\n{lines}{pip_section}"


def parse_conda_lock(address: str, text: str) -> CondaLock:
    """Return a recorded lock; raise UserError if a line is not a package with its version, file and hashes."""
    header = _HEADER.match(text)
    if not header:
        raise _invalid_error(address, text.partition("\n")[0])
    conda_section, _, pip_lock = text[header.end() :].partition(_PIP_HEADER)
    packages = tuple(_parse_packages(address, conda_section))
    if not any(package.name == PYTHON for package in packages):
        raise _invalid_error(address, "no package is python")
    parse_lock(address, pip_lock)
    return CondaLock(header["platform"], packages, pip_lock)


def _format_package(package: LockedPackage) -> str:
    hashes = [f"--hash={name}:{value}" for name, value in (("sha256", package.sha256), ("md5", package.md5)) if value]
    location = f"{package.channel}/{package.subdir}/{package.file}"
    return f"{package.name}=={package.version} @ {location} \\\n    {' '.join(hashes)}\n"


def _parse_packages(address: str, section: str) -> Iterable[LockedPackage]:
    for line in section.replace(" \\\n   ", "").splitlines():
        match = _PACKAGE.fullmatch(line)
        file = _FILE.fullmatch(match["file"]) if match else None
        if not match or not file or (file["name"], file["version"]) != (match["name"], match["version"]):
            raise _invalid_error(address, line)
        if not match["sha256"] and not match["md5"]:
            raise _invalid_error(address, line)
        yield LockedPackage(**{name: value or "" for name, value in match.groupdict().items()})


def _invalid_error(address: str, line: str) -> Exception:
    message = f"{address}: the recorded lock has a line that is not a conda package with file and hash: {line[:80]}"
    return user_error("lock-invalid", message, "build it without the lock to make a new one")
