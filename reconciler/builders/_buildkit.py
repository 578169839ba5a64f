"""BuildKit, which builds images: whether a machine and its engine have it, and what only it can build."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import docker

from reconciler.builders._programs import run_command

_FIRST_API = (1, 39)  # of Docker 18.09, the first engine that has BuildKit
_WITHOUT = "Podman"  # answers like an engine, and has no BuildKit
_COMMENT = re.compile(r"\s*#")
_INSTRUCTION = re.compile(r"\s*(?P<name>[A-Za-z]+)\s+(?P<rest>.*)", re.DOTALL)
_FLAGS = {
    "RUN": ("--mount", "--network", "--security"),
    "COPY": ("--link", "--chmod", "--parents", "--exclude"),
    "ADD": ("--link", "--chmod", "--checksum", "--keep-git-dir", "--exclude"),
}
_HEREDOC = re.compile(r"(?<!<)<<-?(?P<quote>['\"]?)[A-Za-z_]\w*(?P=quote)(?=\s|$)")


class BuildKit(NamedTuple):
    """How images are built: by this command with BuildKit, or without it, and then why."""

    program: str
    missing: str = ""
    """Why there is none, to be said after "without BuildKit: "."""


class BuildKitOnly(NamedTuple):
    """A part of a Dockerfile that only BuildKit can build, and its line."""

    line: int
    text: str


def find_buildkit(client: docker.DockerClient, environment: Mapping[str, str]) -> BuildKit:
    """Return the command ``docker`` if it and the engine can build with BuildKit, else why they cannot.

    ``DOCKER_BUILDKIT=0`` turns it off, as for the command itself.
    """
    if os.environ.get("DOCKER_BUILDKIT") == "0":
        return BuildKit("", "DOCKER_BUILDKIT is 0")
    version = client.version()
    engines = [str(component.get("Name")) for component in version.get("Components") or ()]
    if any(name.startswith(_WITHOUT) for name in engines):
        return BuildKit("", "the engine is Podman")
    if parse_api_version(str(version.get("ApiVersion"))) < _FIRST_API:
        return BuildKit("", f"the engine is Docker {version.get('Version')}, which has none")
    program = shutil.which("docker")
    if program is None:
        return BuildKit("", "there is no command docker on this machine")
    shown = run_command([program, "build", "--help"], environment)
    if shown.exit_code or "--secret" not in shown.stdout:
        return BuildKit("", f"{program} has no plug-in buildx")
    return BuildKit(program)


def parse_api_version(text: str) -> tuple[int, ...]:
    """Return the version of an engine's API as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def find_buildkit_only(dockerfile: str) -> Iterator[BuildKitOnly]:
    """Yield what only BuildKit can build: mounts of RUN, links and modes of COPY and ADD, and here-documents."""
    for line, text in _instructions(dockerfile):
        match = _INSTRUCTION.match(text)
        if match is None or (name := match["name"].upper()) not in _FLAGS:
            continue
        flags = [word.partition("=")[0] for word in _leading_flags(match["rest"])]
        yield from (BuildKitOnly(line, f"{name} {flag}") for flag in flags if flag in _FLAGS[name])
        if heredoc := _HEREDOC.search(match["rest"]):
            yield BuildKitOnly(line, f"{name} {heredoc[0]}")


def _leading_flags(rest: str) -> Iterator[str]:
    for word in rest.replace("\\\n", " ").split():
        if not word.startswith("--"):
            return
        yield word


def _instructions(dockerfile: str) -> Iterator[tuple[int, str]]:
    """Yield each instruction with its first line; lines that end with a backslash are one, without comments within."""
    start, parts = 0, list[str]()
    for number, line in enumerate(dockerfile.splitlines(), 1):
        if _COMMENT.match(line) or (not parts and not line.strip()):
            continue
        start = start if parts else number
        parts.append(line)
        if not line.rstrip().endswith("\\"):
            yield start, "\n".join(parts)
            parts = []
    if parts:
        yield start, "\n".join(parts)
