"""The only place that starts uv: its environment, its end when we are interrupted, its errors in the user's words.

uv runs in a session of its own, so a Ctrl-C reaches us alone and we decide what is ended and removed; and in the root
folder of the disk, so that no ``uv.toml`` or ``pyproject.toml`` of a repository is obeyed by accident.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from reconciler.diagnostics import UserError, failure

_TAKEN = frozenset({
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "NETRC", "TMPDIR", "TMP", "TEMP"),
    *("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
})  # fmt: skip
_TAKEN_PREFIXES = ("UV_", "SSL_", "XDG_", "LC_")
# Of uv's own: what belongs to publishing, and what would choose another interpreter or folder than we do.
_LEFT_OUT_PREFIXES = ("UV_PUBLISH_", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT", "UV_WORKING_DIR")
_ALWAYS = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}

_GRACE = 2.0  # seconds between asking a child to end and ending it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(arguments: Sequence[str], stdin: str = "") -> Outcome:
    """Run uv; raises UserError (``uv-not-found``) where its program is missing."""
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as error:
        raise failure("uv-not-found", "uv is not installed", "reinstall mlgit, or run: pip install uv") from error
    return start([program, *arguments], stdin)


def start(command: Sequence[str], stdin: str = "") -> Outcome:
    """Run a program to its end; if we are interrupted meanwhile, end it before the interrupt goes on."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        cwd=Path(sys.executable).anchor,
        start_new_session=True,
    ) as child:
        _children.add(child)
        try:
            out, err = child.communicate(stdin)
        except BaseException:
            _end(child)
            raise
        finally:
            stopped = child not in _children
            _children.discard(child)
    if stopped:
        raise failure("build-stopped", "the build was stopped", "run `mlgit apply` again to go on")
    return Outcome(child.returncode, out, err)


_children: set[subprocess.Popen[str]] = set()


def stop() -> None:
    """End every program that was started here and runs; whoever waits for one sees it fail."""
    while _children:
        _end(_children.pop())


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _environment() -> dict[str, str]:
    """Pass on what reaches the network and finds the caches, and nothing that could be a job's secret."""
    taken = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _TAKEN or name.startswith(_TAKEN_PREFIXES)) and not name.startswith(_LEFT_OUT_PREFIXES)
    }
    # Where uv keeps Pythons is not which one to use.
    kept = {name: value for name in ("UV_PYTHON_INSTALL_DIR",) if (value := os.environ.get(name))}
    return taken | kept | _ALWAYS


@dataclass(frozen=True, slots=True)
class _Rule:
    """One way in which uv fails: how it is recognised, and what we say; `{0}` is what the pattern caught."""

    code: str
    pattern: str
    message: str
    hint: str


# The first that matches speaks: an index that cannot be reached also makes uv say that a package was not found.
_RULES = (
    _Rule(
        "index-refused",
        r"\b(401 Unauthorized|403 Forbidden|407 Proxy Authentication Required)",
        "the package index answered {0}",
        "check the credentials of the index that uv is configured with",
    ),
    _Rule(
        "network-unreachable",
        r"error sending request|dns error|tcp connect|network (?:connectivity )?(?:was|is) disabled|timed out",
        "the package index cannot be reached",
        "check the network, the proxy settings, or the index in UV_DEFAULT_INDEX; then run it again",
    ),
    _Rule(
        "package-not-found",
        r"\b([\w.-]+) was not found in the (?:package registry|provided package locations)",
        "the package '{0}' does not exist in the package index",
        "check the spelling in the conda file",
    ),
    _Rule(
        "package-without-wheel",
        r"\b([\w.-]+(?:==\S+)?) has no (?:usable wheels|wheels with a matching)",
        "the package '{0}' has no wheel for this Python and platform",
        "the venv builder runs no build scripts; choose a version with a wheel, or another builder",
    ),
    _Rule(
        "package-changed",
        r"Hash mismatch for `([^`]+)`",
        "'{0}' in the package index is not the file that was locked",
        "find out why the index serves another file before you build without the lock",
    ),
    _Rule(
        "disk-full",
        r"No space left|Disk quota exceeded",
        "the disk is full",
        "free some space, or set MLGIT_CACHE_DIR and UV_CACHE_DIR to a larger disk",
    ),
    _Rule(
        "packages-conflict",
        r"Because (.+?)(?:, we can conclude that|\. hint:|$)",
        "the packages cannot be installed together: {0}",
        "change the versions in the conda file",
    ),
    _Rule("environment-build-failed", r"(?:error: )?(.*)", "{0}", "this is what uv said"),
)
_CREDENTIALS = re.compile(r"//[^/\s]*@")


def explain(address: str, err: str) -> UserError:
    """Turn what uv wrote to standard error into a failure: what is wrong, and what to do."""
    text = _CREDENTIALS.sub("//***@", " ".join(err.replace("cause:", " ").split()))
    rule, found = next((rule, found) for rule in _RULES if (found := re.search(rule.pattern, text)))
    return failure(rule.code, f"{address}: {rule.message.format(*found.groups())}", rule.hint)
