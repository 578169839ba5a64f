"""Runs uv: its environment variables, and its errors as diagnostics."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import uv

from reconciler.builders._programs import CommandResult, run_command
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import ReportProgress
from reconciler.secrets.urls import mask_url_secrets

WHEELS_ONLY = ("--only-binary", ":all:")
_PASSED_VARIABLES = frozenset({
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "NETRC", "TMPDIR", "TMP", "TEMP"),
    *("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"),
})  # fmt: skip
_PASSED_PREFIXES = ("SSL_", "XDG_", "LC_")
_UV_PREFIX = "UV_"
# Variables of uv for publishing, and those that would select another interpreter or folder than mlgit does.
_BLOCKED_PREFIXES = ("UV_PUBLISH_", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT", "UV_WORKING_DIR")
_FIXED_VARIABLES = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def run_uv(arguments: Sequence[str], stdin: str = "") -> CommandResult:
    """Run uv; raises UserError (``uv-not-found``) if its program is missing."""
    try:
        program = uv.find_uv_bin()
    except FileNotFoundError as error:
        raise user_error("uv-not-found", "uv is not installed", "reinstall mlgit, or run: pip install uv") from error
    return run_program([program, *arguments], stdin)


def run_uv_checked(address: str, arguments: Sequence[str], stdin: str = "") -> str:
    """Run uv for an environment and return its standard output; raises UserError if it fails."""
    outcome = run_uv(arguments, stdin)
    if outcome.exit_code:
        raise error_from_stderr(address, outcome.stderr)
    return outcome.stdout


def compile_lock(address: str, packages: Sequence[str], target: Sequence[str], progress: ReportProgress) -> str:
    """Return the lock for pip of packages, wheels alone, for the Python that options of uv name; "" for none.

    A yanked package is in it only if it is pinned exactly (PEP 592), and is reported. Raises UserError.
    """
    if not packages:
        return ""
    bare_output = ("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
    command = ["pip", "compile", "-", *target, "--generate-hashes", *bare_output, *WHEELS_ONLY]
    outcome = run_uv(command, "\n".join(packages))
    if outcome.exit_code:
        raise error_from_stderr(address, outcome.stderr)
    for package, reason in _YANKED.findall(outcome.stderr):
        progress(f"{package} was yanked from the package index{': ' + reason if reason else ''}")
    return outcome.stdout


def run_program(command: Sequence[str], stdin: str = "") -> CommandResult:
    """Run a program with the variables that uv needs until it ends."""
    return run_command(command, _child_environment(), stdin)


def network_variables() -> dict[str, str]:
    """Return the variables of this process that programs need for the network, and about the machine; none of uv."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED_VARIABLES or name.startswith(_PASSED_PREFIXES)
    }


def _child_environment() -> dict[str, str]:
    """Return the variables that uv needs for the network and its caches, and none that could be a secret of a job."""
    passed = network_variables()
    for name, value in os.environ.items():
        if name.startswith(_UV_PREFIX) and not name.startswith(_BLOCKED_PREFIXES):
            passed[name] = value
    # Blocked by its prefix, but it only says where the interpreters are, not which one to use.
    if install_dir := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        passed["UV_PYTHON_INSTALL_DIR"] = install_dir
    return passed | _FIXED_VARIABLES


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """An error of a program: the pattern of its text, and our diagnostic; `{0}` is the first group of the pattern."""

    code: str
    pattern: str
    message: str
    hint: str


_WITHOUT_WHEEL = "package-without-wheel"
_WHEEL_HINT = "the venv builder runs no build scripts; choose a version that has a wheel, or another builder"

# The first match wins: if an index cannot be reached, uv also writes that a package was not found.
_ERROR_RULES = (
    ErrorRule(
        "index-refused",
        r"\b(401 Unauthorized|403 Forbidden|407 Proxy Authentication Required)",
        "the package index answered {0}",
        "check the credentials of the index that uv is configured with",
    ),
    ErrorRule(
        "network-unreachable",
        r"error sending request|dns error|tcp connect|network (?:connectivity )?(?:was|is) disabled|timed out",
        "the package index cannot be reached",
        "check the network, the proxy settings and UV_DEFAULT_INDEX, then run the command again",
    ),
    ErrorRule(
        "package-not-found",
        r"\b([\w.-]+) was not found in the (?:package registry|provided package locations)",
        "the package '{0}' does not exist in the package index",
        "check the spelling in the conda file",
    ),
    ErrorRule(
        "package-not-found",
        r"Because ([\w.-]+)==\S+ was yanked \((?:reason: )?(.*?)\)",
        "all versions of the package '{0}' that are allowed were yanked: {1}",
        "allow another version; a yanked one is installed only if it is pinned exactly (==)",
    ),
    ErrorRule(
        "package-without-wheel",
        r"\b([\w.-]+(?:[<>=!~]\S*)?) ha(?:s|ve) no (?:usable wheels|wheels with a matching)",
        "the package '{0}' has no wheel for this Python and platform",
        _WHEEL_HINT,
    ),
    ErrorRule(
        "package-without-wheel",
        r"(?:Wheels are required for|we only found wheels for) `([\w.-]+)`",
        "no version of the package '{0}' that is allowed has a wheel for this Python and platform",
        _WHEEL_HINT,
    ),
    ErrorRule(
        "package-changed",
        r"Hash mismatch for `([^`]+)`",
        "'{0}' in the package index is not the file that was locked",
        "find out why the index serves another file before you build without the lock",
    ),
    ErrorRule(
        "disk-full",
        r"No space left|Disk quota exceeded",
        "the disk is full",
        "free some space, or set MLGIT_CACHE_DIR and UV_CACHE_DIR to folders on a larger disk",
    ),
    ErrorRule(
        "package-not-found",
        r"Because there (?:is|are) no versions? of (\S+) and you require",
        "the package index has no version {0}",
        "check the version in the conda file",
    ),
    ErrorRule(
        "packages-conflict",
        r"Because (.+?)(?:, we can conclude that|\. hint:|$)",
        "the packages cannot be installed together: {0}",
        "change the versions in the conda file",
    ),
    ErrorRule("environment-build-failed", r"(?:error: )?(.*)", "{0}", "this is the error of uv"),
)
_YANKED = re.compile(r"^warning: `([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?", re.MULTILINE)
_VERSION = re.compile(r"[<>=!~].*")
_URL_CREDENTIALS = re.compile(r"//[^/\s]*@")


def error_from_stderr(address: str, stderr: str) -> UserError:
    """Return the error that the standard error of uv describes."""
    text = _URL_CREDENTIALS.sub("//***@", mask_url_secrets(" ".join(stderr.replace("cause:", " ").split())))
    rule, match = next((rule, match) for rule in _ERROR_RULES if (match := re.search(rule.pattern, text)))
    message = rule.message.format(*match.groups())
    if rule.code != _WITHOUT_WHEEL:
        return user_error(rule.code, f"{address}: {message}", rule.hint)
    return user_error(rule.code, f"{address}: {message}{_requirer(text, match[1])}", _wheel_hint(text, match[1]))


def _requirer(text: str, package: str) -> str:
    """Return which other package requires one, as the error of uv says it."""
    name = re.escape(_VERSION.sub("", package))
    match = re.search(rf"\b(?!requirements\b)([\w.-]+(?:[<>=!~]\S*)?) depends on {name}(?![\w.-])", text)
    return f"; {match[1]} requires it" if match else ""


def _wheel_hint(text: str, package: str) -> str:
    """Return what to do about a package without a wheel, with the Pythons that it has wheels for if uv names them."""
    name = re.escape(_VERSION.sub("", package))
    match = re.search(
        rf"we only found wheels for `{name}` \(\S+\) with the following Python ABI tags: (.*?)(?: hint:|$)", text
    )
    series = [f"{major}.{minor}" for major, minor in re.findall(r"`cp(\d)(\d+)", match[1])] if match else []
    return f"it has wheels for Python {', '.join(dict.fromkeys(series))}; {_WHEEL_HINT}" if series else _WHEEL_HINT
