"""Runs py-rattler in a process of its own, and its errors as diagnostics.

py-rattler is the extra ``conda``: nothing of mlgit imports it but that process.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reconciler.builders._channels import ChannelSettings, channel_of, channel_url
from reconciler.builders._conda_lock import CondaLock, LockedPackage
from reconciler.builders._uv import ErrorRule, run_program
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import BuildPlan
from reconciler.secrets.urls import mask_url_secrets

EXTRA_HINT = "run `pip install 'mlgit[conda]'`"
_WORKER = Path(__file__).with_name("_rattler_worker.py")
_SUBDIRS = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
    ("windows", "amd64"): "win-64",
}
_TREE = re.compile(r"^[\s│├└─]+")
_NETWORK_HINT = (
    "check the network and the proxy settings, or name a mirror of the channel in mlgit.yml: "
    "builders: conda: mirrors: {CHANNEL: URL}"
)

# The first match wins.
_ERROR_RULES = (
    ErrorRule(
        "packages-conflict",
        r"SolverError: Cannot solve the request because of: (.*__\w+.*)",
        "the packages cannot be installed together: {0}",
        "names that begin with __ are what the machine has; if the jobs run on another one, name them in mlgit.yml: "
        "builders: conda: virtual_packages: {__cuda: '12.4'}",
    ),
    ErrorRule(
        "package-not-found",
        r"SolverError: Cannot solve the request because of: No candidates were found for (.+?)(?: \*)?\.(?: |$)",
        "no channel has the package '{0}'",
        "check the spelling, the version and the channels in the conda file",
    ),
    ErrorRule(
        "packages-conflict",
        r"SolverError: (?:Cannot solve the request because of: )?(.*)",
        "the packages cannot be installed together: {0}",
        "change the versions in the conda file",
    ),
    ErrorRule(
        "requirement-refused",
        r"Invalid(?:MatchSpec|PackageName|Version\w*)Error: (.*)",
        "an entry of the conda file cannot be parsed: {0}",
        "write it as conda does, such as numpy=1.26",
    ),
    ErrorRule(
        "disk-full",
        r"No space left|Disk quota exceeded",
        "the disk is full",
        "free some space, or set MLGIT_CACHE_DIR to a folder on a larger disk",
    ),
    ErrorRule(
        "package-changed",
        r"hash mismatch when extracting \S*/([^/\s]+)",
        "'{0}' in its channel is not the file that was locked",
        "find out why the channel serves another file before you build without the lock",
    ),
    ErrorRule(
        "index-refused",
        r"\b(401 Unauthorized|403 Forbidden|407 Proxy Authentication Required)",
        "the channel answered {0}",
        "log in on this machine: ~/.netrc or `rattler auth login`",
    ),
    ErrorRule(
        "channel-not-found",
        r"could not find subdir '\S+' in channel '(\S+?)/?'",
        "there is no channel at {0}",
        "check its name in the conda file, or name a mirror in mlgit.yml: builders: conda: mirrors: {CHANNEL: URL}",
    ),
    ErrorRule(
        "package-not-found",
        r"(?:404 Not Found.*?|No such file or directory: ')\S*/([^/\s']+\.(?:conda|tar\.bz2))",
        "the locked file {0} is no longer in its channel",
        "name a mirror that has it, or build without the lock to make a new one",
    ),
    ErrorRule(
        "network-unreachable",
        r"error sending request for url \((\w+://[^/\s)]+)",
        "{0} cannot be reached",
        _NETWORK_HINT,
    ),
    ErrorRule("environment-build-failed", r"(.*)", "{0}", "this is the error of rattler"),
)


def is_installed() -> bool:
    """Return True if py-rattler, the extra ``conda``, is installed."""
    return find_spec("rattler") is not None


def machine_platform() -> str:
    """Return the platform of this machine as conda names it; "" if conda has none."""
    return _SUBDIRS.get((platform.system().lower(), platform.machine().lower()), "")


def solve(
    plan: BuildPlan, settings: ChannelSettings, virtual_packages: Mapping[str, str], cache: Path
) -> tuple[LockedPackage, ...]:
    """Return the packages of conda of a plan for this machine; raise UserError with the explanation of the solver."""
    urls = {name: channel_url(plan.address, name, settings) for name in plan.channels}
    answer = _run_worker(
        plan.address,
        "solve",
        {
            "channels": list(urls.values()),
            "specs": [_resolve_channel(entry, urls) for entry in plan.conda_packages],
            "platform": machine_platform(),
            "virtual_packages": dict(virtual_packages),
            "cache": str(cache),
        },
    )
    names = {url.rstrip("/"): name for name, url in reversed(urls.items())}
    return tuple(_locked_package(item, names) for item in answer)


def install(address: str, lock: CondaLock, prefix: Path, settings: ChannelSettings, cache: Path) -> Any:
    """Install the packages of conda of a lock into a prefix; return the answer of the process; raise UserError."""
    urls = {name: channel_url(address, name, settings) for name in {package.channel for package in lock.packages}}
    packages = [
        {
            **{
                name: getattr(package, name) for name in ("name", "version", "build", "subdir", "file", "sha256", "md5")
            },
            "channel": urls[package.channel],
            "url": f"{urls[package.channel]}/{package.subdir}/{package.file}",
        }
        for package in lock.packages
    ]
    return _run_worker(address, "install", {"packages": packages, "prefix": str(prefix), "cache": str(cache)})


def _run_worker(address: str, action: str, request: Mapping[str, Any]) -> Any:
    if not is_installed():
        raise user_error(
            "extra-missing", f"{address}: py-rattler, which solves conda files, is not installed", EXTRA_HINT
        )
    outcome = run_program([sys.executable, "-I", str(_WORKER)], json.dumps({action: request}))
    if outcome.exit_code:
        raise error_from_text(address, outcome.stderr)
    return json.loads(outcome.stdout)


def error_from_text(address: str, text: str) -> UserError:
    """Return the error that a text of rattler describes."""
    line = mask_url_secrets(_join_tree(text.splitlines()))
    rule, match = next((rule, match) for rule in _ERROR_RULES if (match := re.search(rule.pattern, line)))
    return user_error(rule.code, f"{address}: {rule.message.format(*match.groups())}", rule.hint)


def _join_tree(lines: Sequence[str]) -> str:
    """Return the explanation of the solver, which is a tree, as one line."""
    text = ""
    for line in lines:
        item = _TREE.sub("", line).strip()
        separator = "; " if text.endswith((",", ".")) and not text.endswith("..") else " "
        text = f"{text.rstrip('.,')}{separator}{item}" if item else text
    return text.strip()


def _resolve_channel(entry: str, urls: Mapping[str, str]) -> str:
    """Return an entry with the URL in the place of the channel that it names."""
    channel = channel_of(entry)
    return f"{urls[channel]}::{entry.partition('::')[2]}" if channel in urls else entry


def _locked_package(item: Mapping[str, str], names: Mapping[str, str]) -> LockedPackage:
    """Return a package of an answer, with the name of its channel in the place of the URL."""
    _, subdir, file = item["url"].rsplit("/", 2)
    channel = names.get(item["channel"].rstrip("/"), item["channel"])
    return LockedPackage(item["name"], item["version"], channel, subdir, file, item["sha256"], item["md5"])
