"""Builds an image without BuildKit, by the API of the engine: what is sent to it, and what it cannot build."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.utils.build import create_archive, exclude_paths

from reconciler.builders._buildkit import BuildKitOnly, find_buildkit_only
from reconciler.diagnostics import UserError, user_error

_WORKER = Path(__file__).with_name("_docker_classic_worker.py")
_IGNORE_FILE = ".dockerignore"
HINT = "install docker 20.10 or newer, from docker 23 on with its plug-in buildx; and unset DOCKER_BUILDKIT if it is 0"


@dataclass(frozen=True, slots=True)
class ClassicBuild:
    """What the engine is sent: the folder of the context, the Dockerfile at its path in it, and more files."""

    folder: Path
    path: str
    dockerfile: str
    tag: str
    labels: Mapping[str, str]
    files: Mapping[str, str]


def make_command(build: ClassicBuild, private: Path) -> tuple[str, ...]:
    """Write what the engine is sent into a folder, and return the command that sends it."""
    archive, request = private / "context.tar", private / "request.json"
    paths = set(exclude_paths(str(build.folder), [])) - {build.path}
    if f"{build.path}{_IGNORE_FILE}" in paths:  # it counts instead, but the engine would only read the other one
        paths -= {_IGNORE_FILE}
    # The engine knows no Dockerfile outside of the context: the one whose images are pinned takes its place.
    extra = [(build.path, build.dockerfile), *build.files.items()]
    with archive.open("w+b") as stream:
        create_archive(root=str(build.folder), files=sorted(paths), fileobj=stream, extra_files=extra)
    content = {
        "context": str(archive),
        "dockerfile": build.path,
        "tag": build.tag,
        "labels": dict(build.labels),
    }
    request.write_text(json.dumps(content), encoding="utf-8")
    return (sys.executable, "-I", str(_WORKER), str(request))


def check_dockerfile(address: str, dockerfile: str, path: str, missing: str) -> None:
    """Raise UserError ``buildkit-missing`` if a Dockerfile has parts that only BuildKit can build."""
    found = tuple(find_buildkit_only(dockerfile))
    if found:
        raise _buildkit_error(address, path, found, missing)


def secret_error(address: str, missing: str) -> UserError:
    """Return the error of a password that would become a part of a layer."""
    message = (
        f"{address}: the package index has a password, which can only be given to a build with BuildKit, "
        f"and this is one without: {missing}"
    )
    return user_error("buildkit-missing", message, HINT)


def _buildkit_error(address: str, path: str, found: Iterable[BuildKitOnly], missing: str) -> UserError:
    parts = ", ".join(f"{item.text} (line {item.line})" for item in found)
    message = f"{address}: {path} needs BuildKit for {parts}, and this machine builds without: {missing}"
    return user_error("buildkit-missing", message, HINT)
