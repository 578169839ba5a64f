"""Runs `docker build` with BuildKit: what it is given, its log, and its errors as diagnostics."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.builders._docker_images import disk_full_error, image_error, is_pull_failure
from reconciler.builders._dockerfile import CERTIFICATES, PIP_CONFIG, make_pip_config
from reconciler.builders._programs import stream_command
from reconciler.diagnostics import UserError, user_error
from reconciler.model.builder import ReportProgress
from reconciler.secrets.urls import mask_url_secrets

SHOWN_LINES = 20
_MAX_SECRET = 500_000  # bytes, which BuildKit allows
_PASSED = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "NO_PROXY", "no_proxy")
_NO_ENGINE = re.compile(r"Cannot connect to the Docker daemon|error reading from server|error during connect")
_NO_BUILDKIT = re.compile(
    r"BuildKit is enabled but the buildx component is missing|unknown flag: --secret|unknown flag"
)
_PIP_RULES = (
    (
        "package-changed",
        r"DO NOT MATCH THE HASHES.*?\b([\w.-]+==[\w.!+-]+)",
        "'{0}' in the package index is not the file that was locked",
    ),
    (
        "package-not-found",
        r"No matching distribution found for (\S+)",
        "the package index no longer has {0}, which is in the lock",
    ),
    ("index-refused", r"\b(401|403|407) (?:Client )?Error", "the package index answered {0}"),
)
_HINT = "remove the recorded build and build it anew to resolve its packages again, or restore the package in the index"


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One image to build: for whom, with which Dockerfile, from which folder, under which tag."""

    address: str
    engine: str
    folder: Path
    dockerfile: str
    """Its text."""
    tag: str
    log: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    uses_index: bool = False
    """True if pip is run in it, which is told where the package index is."""


def build_image(build: ImageBuild, progress: ReportProgress) -> None:
    """Build an image, and keep the whole log; raises UserError with the last lines of it if that fails.

    The tag is set by the engine when all is done: half of an image never has it.
    """
    program = shutil.which("docker")
    if program is None:
        hint = "install the command docker, or use another builder"
        raise user_error("docker-not-found", f"{build.address}: there is no program docker on this machine", hint)
    build.log.parent.mkdir(parents=True, exist_ok=True)
    with _secrets(build) as (secrets, private), build.log.open("w", encoding="utf-8") as log:
        dockerfile = private / "Dockerfile"
        dockerfile.write_text(build.dockerfile, encoding="utf-8")
        last = deque[str](maxlen=SHOWN_LINES)

        def on_line(line: str) -> None:
            text = mask_url_secrets(line)
            log.write(f"{text}\n")
            log.flush()
            last.append(text)
            if text.strip():
                progress(text)

        labels = [part for name, value in build.labels.items() for part in ("--label", f"{name}={value}")]
        command = [
            *(program, "--host", build.engine, "build", "--progress", "plain", "--tag", build.tag),
            *("--file", str(dockerfile), *labels, *secrets, str(build.folder)),
        ]
        code = stream_command(command, _environment(build.engine), on_line)
    if code:
        raise _error(build, code, tuple(last))


@contextmanager
def _secrets(build: ImageBuild) -> Iterator[tuple[Sequence[str], Path]]:
    """Give the options for the secrets of a build, and the folder that has them, which nobody else can read."""
    with tempfile.TemporaryDirectory(prefix="mlgit-build-") as folder:
        private = Path(folder)
        options = []
        if build.uses_index:
            certificates = _certificates()
            config = make_pip_config(os.environ, has_certificates=certificates is not None)
            if config:
                (private / PIP_CONFIG).write_text(config, encoding="utf-8")
                options += ["--secret", f"id={PIP_CONFIG},src={private / PIP_CONFIG}"]
            if certificates:
                options += ["--secret", f"id={CERTIFICATES},src={certificates}"]
        yield options, private


def _certificates() -> Path | None:
    """Return the certificates that the user has for the package index, if they are no more than a secret can be."""
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        path = Path(os.environ.get(name) or "")
        if path.is_file() and path.stat().st_size < _MAX_SECRET:
            return path
    return None


def _environment(engine: str) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith("DOCKER_")}
    return {**passed, "DOCKER_HOST": engine, "DOCKER_BUILDKIT": "1", "DOCKER_CLI_HINTS": "false"}


def _error(build: ImageBuild, code: int, last: tuple[str, ...]) -> UserError:
    """Return the error of a build that failed."""
    text = "\n".join(last)
    if "no space left on device" in text.lower():
        return disk_full_error(build.address)
    if _NO_ENGINE.search(text):
        message = f"{build.address}: the Docker engine at {build.engine} stopped to answer during the build"
        return user_error("docker-unreachable", message, "start it again, and run `mlgit apply` again")
    if _NO_BUILDKIT.search(text):
        message = f"{build.address}: this docker cannot build with BuildKit: {last[-1]}"
        return user_error("docker-not-found", message, "install docker 20.10 or newer, from docker 23 on with buildx")
    if (match := re.search(r"load metadata for (\S+)", text)) and is_pull_failure(last[-1]):
        return image_error(build.address, match[1], last[-1])
    for rule, pattern, message in _PIP_RULES if build.uses_index else ():
        if match := re.search(pattern, text, re.DOTALL):
            return user_error(rule, f"{build.address}: {message.format(*match.groups())}", _HINT)
    lines = "\n".join(f"  {line}" for line in last)
    message = f"{build.address}: docker build ended with exit code {code}; its last lines:\n{lines}"
    return user_error("environment-build-failed", message, f"the whole log is in {build.log}")
