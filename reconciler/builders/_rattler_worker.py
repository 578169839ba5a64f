"""A process of its own that solves and installs with py-rattler: it can be ended, as its threads cannot.

It is started by its path, imports nothing of mlgit, and reads its one request from the standard input:
``{"solve": ...}`` or ``{"install": ...}``. The answer is JSON on the standard output; an error is text.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import rattler
from rattler.shell import ActivationVariables, Shell, activate

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


async def solve(request: Any) -> list[dict[str, str]]:
    """Return the packages that satisfy specs, from channels by their URLs."""
    records = await rattler.solve(
        sources=list(request["channels"]),
        specs=[rattler.MatchSpec(spec) for spec in request["specs"]],
        platforms=[request["platform"], "noarch"],
        virtual_packages=_virtual_packages(request["virtual_packages"]),
        gateway=rattler.Gateway(cache_dir=Path(request["cache"], "channels"), client=rattler.Client.default_client()),
    )
    return [
        {
            "name": record.name.normalized,
            "version": str(record.version),
            "url": record.url,
            "channel": record.channel.rstrip("/"),
            "sha256": (record.sha256 or b"").hex(),
            "md5": (record.md5 or b"").hex(),
        }
        for record in records
    ]


async def install(request: Any) -> dict[str, Any]:
    """Install packages, by their URLs and hashes, into a prefix; no script of a package is run.

    Return its packages, those that others depend on first, and the script of a shell that activates it. Rattler would
    run the link scripts, but goes on without a word where one fails.
    """
    for package in request["packages"]:
        _check_local_file(package)
    await rattler.install(
        [_make_record(package) for package in request["packages"]],
        target_prefix=request["prefix"],
        cache_dir=Path(request["cache"], "packages"),
        client=rattler.Client.default_client(),
        execute_link_scripts=False,
        show_progress=False,
    )
    return _describe_prefix(Path(request["prefix"]))


def _describe_prefix(prefix: Path) -> dict[str, Any]:
    records = [rattler.PrefixRecord.from_path(path) for path in sorted(prefix.glob("conda-meta/*.json"))]
    return {
        "packages": [
            (record.name.normalized, str(record.version), str(record.build_number))
            for record in rattler.PackageRecord.sort_topologically(list(records))
        ],
        # Without a path, it would be that of this process.
        "activation": activate(prefix, ActivationVariables(None, [prefix / "bin"]), Shell.bash).script,
    }


def _make_record(package: Any) -> rattler.RepoDataRecord:
    """Return what rattler needs to know before it has the file, which says the rest."""
    record = rattler.PackageRecord(
        package["name"],
        package["version"],
        rattler.BuildString(package["build"]),
        0,
        package["subdir"],
        sha256=bytes.fromhex(package["sha256"]) or None,
        md5=bytes.fromhex(package["md5"]) or None,
    )
    return rattler.RepoDataRecord(record, package["file"], package["url"], package["channel"])


def _check_local_file(package: Any) -> None:
    """Raise ValueError if a file of this machine has not the hash of its package: rattler checks downloads only."""
    url = urlsplit(package["url"])
    if url.scheme != "file":
        return
    algorithm = "sha256" if package["sha256"] else "md5"
    with Path(unquote(url.path)).open("rb") as file:
        digest = hashlib.file_digest(file, algorithm).hexdigest()
    if digest != package[algorithm]:
        message = f"hash mismatch when extracting {package['url']}"
        raise ValueError(message)


def _virtual_packages(overrides: dict[str, str]) -> list[rattler.GenericVirtualPackage]:
    """Return what the machine is, with the versions that are given instead; a blank one is for none."""
    detected = {
        package.name.normalized: package
        for package in (item.into_generic() for item in rattler.VirtualPackage.detect())
    }
    given = {
        name: rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0")
        )
        for name, version in overrides.items()
        if version
    }
    return list({**{name: package for name, package in detected.items() if name not in overrides}, **given}.values())


def _end_with_parent() -> None:
    """Let the kernel end this process with its parent: it would go on writing into a folder that is not locked."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Do what the request says, and end."""
    _end_with_parent()
    exit_code = _answer()
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(exit_code)  # the threads of rattler may outlive the interpreter, which then aborts


def _answer() -> int:
    """Write the answer to the request, or the error; return the exit code."""
    ((action, request),) = json.load(sys.stdin).items()
    try:
        answer = asyncio.run({"solve": solve, "install": install}[action](request))
    except Exception as error:  # noqa: BLE001  -- rattler has dozens; the parent knows them by their text
        sys.stderr.write(f"{type(error).__name__}: {error}")
        return 1
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    main()
