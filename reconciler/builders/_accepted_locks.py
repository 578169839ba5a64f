"""Locks in files, for builders: requirements.txt, pylock.toml, conda-lock.yml, pixi.lock, those of `mlgit env lock`.

Only what has a version and a hash is taken from one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reconciler.builders._conda_lock import PYTHON, LockedPackage, is_conda_lock, parse_conda_lock
from reconciler.builders._lock import parse_lock
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import BuildPlan, LockFile
from reconciler.secrets.urls import find_url_secrets

_SERVER = "https://conda.anaconda.org/"
_CONDA_URL = re.compile(r"(?P<channel>.+)/(?P<subdir>[a-z0-9-]+)/(?P<file>(?P<name>[^/]+)-(?P<version>[^-/]+)-[^-/]+)")
_TOKEN_OR_SPACE = re.compile(r"\s|\?|/t/[^/]+/")
_PIXI_KINDS = ("conda", "pypi")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class AcceptedLock:
    """What a lock has for a platform: the packages of conda, and the lock of those of pip."""

    conda_packages: tuple[LockedPackage, ...]
    pip_lock: str


def accept_lock(plan: BuildPlan, file: LockFile, platform: str) -> AcceptedLock:
    """Return what a lock has for a platform; raise UserError ``lock-refused`` if it is none, or not one of the plan."""
    name = file.path.rpartition("/")[2]
    try:
        if name.endswith(".toml"):
            lock = AcceptedLock((), "".join(_pylock_packages(tomllib.loads(file.text))))
        elif name == "pixi.lock":
            lock = _read_pixi_lock(file.document, platform)
        elif name.endswith((".yml", ".yaml")):
            lock = _read_conda_lock(file.document, platform)
        elif is_conda_lock(file.text):
            lock = _read_own_lock(plan.address, file.text, platform)
        else:
            lock = AcceptedLock((), _read_requirements(file.text))
        parse_lock(plan.address, lock.pip_lock)
    except (UserError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{plan.address}: {file.path} is no lock with versions and hashes"
        hint = "use requirements.txt with hashes, pylock.toml, conda-lock.yml, pixi.lock or a lock of `mlgit env lock`"
        raise user_error("lock-refused", message, hint) from error
    if not lock.conda_packages and not lock.pip_lock:
        message = f"{plan.address}: {file.path} has no packages for {platform}"
        raise user_error("lock-refused", message, f"lock it for {platform}, too")
    _check_requirements(plan, file, lock.pip_lock)
    return lock


def require_pip_lock(plan: BuildPlan, file: LockFile, platform: str) -> str:
    """Return the lock of a file without packages of conda, Python apart; raise UserError ``lock-refused``."""
    lock = accept_lock(plan, file, platform)
    if names := [package.name for package in lock.conda_packages if package.name != PYTHON]:
        message = f"{plan.address}: {file.path} has packages of conda: {', '.join(names[:5])}"
        raise user_error("lock-refused", message, "use the builder conda for it: builder: in mlgit.yml")
    return lock.pip_lock


def _check_requirements(plan: BuildPlan, file: LockFile, pip_lock: str) -> None:
    """Raise UserError ``lock-refused`` if a requirement of the plan is not what the lock pins."""
    lines = (line.partition(" ")[0].partition(";")[0] for line in pip_lock.splitlines() if line[:1].isalnum())
    pinned = {
        canonicalize_name(name.partition("[")[0]): version for name, _, version in (x.partition("==") for x in lines)
    }
    for requirement in map(Requirement, plan.packages):
        version = pinned.get(canonicalize_name(requirement.name))
        if requirement.marker is None and (version is None or not requirement.specifier.contains(version, True)):
            pin = f"pins {requirement.name} {version}" if version else f"has no {requirement.name}"
            message = f"{plan.address}: {file.path} {pin}, and the conda file requires {requirement}"
            raise user_error("lock-refused", message, "lock it again, or correct the conda file")


def _read_requirements(text: str) -> str:
    lines = _COMMENT.sub("", text).replace("\\\n", " ").splitlines()
    return "".join(_format_line(line.split()) for line in lines if line.strip())


def _format_line(parts: list[str]) -> str:
    hashes = [part for part in parts if part.startswith("--hash=")]
    name = " ".join(part for part in parts if not part.startswith("--hash="))
    return " \\\n    ".join([name, *hashes]) + "\n"


def _pylock_packages(document: Mapping[str, Any]) -> Iterator[str]:
    for package in document["packages"]:
        hashes = [f"--hash=sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"]]
        marker = f" ; {package['marker']}" if package.get("marker") else ""
        yield _format_line([f"{package['name']}=={package['version']}{marker}", *hashes])


def _read_conda_lock(document: Any, platform: str) -> AcceptedLock:
    packages = [item for item in document["package"] if item["platform"] == platform]
    return AcceptedLock(
        tuple(_conda_package(item["url"], item["hash"]) for item in packages if item["manager"] == "conda"),
        "".join(_pip_lines((item, item["hash"]["sha256"]) for item in packages if item["manager"] == "pip")),
    )


def _read_own_lock(address: str, text: str, platform: str) -> AcceptedLock:
    """Return what a lock of the builder `conda` has, as `mlgit env lock` writes it."""
    lock = parse_conda_lock(address, text)
    return AcceptedLock(lock.packages, lock.pip_lock) if lock.platform == platform else AcceptedLock((), "")


def _read_pixi_lock(document: Any, platform: str) -> AcceptedLock:
    used = document["environments"]["default"]["packages"].get(platform, ())
    urls = {(kind, item[kind]) for item in used for kind in _PIXI_KINDS if kind in item}
    packages = [(kind, item) for item in document["packages"] for kind in _PIXI_KINDS if kind in item]
    found = [(kind, item) for kind, item in packages if (kind, item[kind]) in urls]
    if len(found) < len(used):
        raise ValueError(used)  # packages of other kinds, which pixi builds itself
    return AcceptedLock(
        tuple(_conda_package(_pixi_url(item), item) for kind, item in found if kind == "conda"),
        "".join(_pip_lines((item, item["sha256"]) for kind, item in found if kind == "pypi")),
    )


def _pixi_url(item: Mapping[str, Any]) -> str:
    """Return the URL of a package of conda; of a channel in a folder, pixi writes the path of the package alone."""
    url = str(item["conda"])
    return url if "://" in url else "/".join([str(item["channel"]).rstrip("/"), *url.split("/")[-2:]])


def _pip_lines(packages: Iterable[tuple[Any, str]]) -> Iterator[str]:
    yield from (_format_line([f"{item['name']}=={item['version']}", f"--hash=sha256:{sha}"]) for item, sha in packages)


def _conda_package(url: str, hashes: Mapping[str, str]) -> LockedPackage:
    match = _CONDA_URL.fullmatch(url)
    if not match or any(find_url_secrets(url)) or _TOKEN_OR_SPACE.search(url):  # a lock is recorded as it is
        raise ValueError(url)
    channel = match["channel"].removeprefix(_SERVER)
    sha256, md5 = hashes.get("sha256") or "", hashes.get("md5") or ""
    if not sha256 and not md5:
        raise ValueError(url)
    return LockedPackage(match["name"], match["version"], channel, match["subdir"], match["file"], sha256, md5)
