"""Builds an image, by `docker build` with BuildKit or by the API of the engine; its log, its errors as diagnostics."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import docker

from reconciler.builders._buildkit import BuildKit, find_buildkit
from reconciler.builders._docker_classic import ClassicBuild, check_dockerfile, make_command, secret_error
from reconciler.builders._docker_images import disk_full_error, image_error, is_pull_failure
from reconciler.builders._docker_staging import Staging
from reconciler.builders._dockerfile import CERTIFICATES, CLASSIC_FOLDER, PIP_CONFIG, make_pip_config
from reconciler.builders._programs import stream_command
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.model.builder import ReportProgress
from reconciler.secrets.urls import mask_url_secrets

SHOWN_LINES = 20
_MAX_SECRET = 500_000  # bytes, which BuildKit allows
_PASSED = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "NO_PROXY", "no_proxy")
_CONFIG_VARIABLE = "MLGIT_PIP_CONFIG"
_NO_ENGINE = re.compile(
    r"Cannot connect to the Docker daemon|error reading from server|error during connect|Connection aborted"
)
_STEP_DIGEST = re.compile(r"#\d+ sha256:[0-9a-f]{64}")  # below the name of each step, of no use to a person
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
    """One image to build: for whom, with which Dockerfile, from which context, under which tag."""

    address: str
    engine: str
    staging: Staging
    dockerfile: str
    """Its text."""
    tag: str
    log: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = "Dockerfile"
    """The path of the Dockerfile in the folder."""
    classic: str | None = None
    """The Dockerfile that makes the same without BuildKit, if mlgit generates it: pip is run in it, which is told where
    the package index is."""


def build_image(client: docker.DockerClient, build: ImageBuild, progress: ReportProgress) -> None:
    """Build an image, and keep the whole log; raises UserError with the last lines of it if that fails.

    The tag is set by the engine when all is done: half of an image never has it.
    """
    environment = _environment(build.engine)
    buildkit = find_buildkit(client, environment)
    if not buildkit.program:
        progress(f"building without BuildKit: {buildkit.missing}")
    build.log.parent.mkdir(parents=True, exist_ok=True)
    last = deque[str](maxlen=SHOWN_LINES)
    with build.log.open("w", encoding="utf-8") as log:

        def on_line(line: str) -> None:
            text = mask_url_secrets(line)
            log.write(f"{text}\n")
            log.flush()
            last.append(text)
            if text.strip() and not _STEP_DIGEST.fullmatch(text):
                progress(text)

        make_command = _buildkit_command if buildkit.program else _classic_command
        command, variables = make_command(build, buildkit)
        code = stream_command(command, {**environment, **variables}, on_line)
    if code:
        raise _error(build, code, tuple(last))


def _buildkit_command(build: ImageBuild, buildkit: BuildKit) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the command of a build with BuildKit, and its variables.

    A password is in a variable and in no file, which an mlgit that is killed would leave behind.
    """
    private = build.staging.private
    dockerfile = private / "Dockerfile"
    dockerfile.write_text(build.dockerfile, encoding="utf-8")
    # What is ignored is removed already, perhaps by a file beside the Dockerfile, which BuildKit does not see.
    (private / "Dockerfile.dockerignore").write_text("# of the context without what it ignores\n", encoding="utf-8")
    secrets, variables = list[str](), dict[str, str]()
    if build.classic is not None:
        certificates = _certificates()
        config = make_pip_config(os.environ, has_certificates=certificates is not None)
        if config:
            variables[_CONFIG_VARIABLE] = config
            secrets += ["--secret", f"id={PIP_CONFIG},env={_CONFIG_VARIABLE}"]
        if certificates:
            secrets += ["--secret", f"id={CERTIFICATES},src={certificates}"]
    labels = [part for name, value in build.labels.items() for part in ("--label", f"{name}={value}")]
    command = (
        *(buildkit.program, "--host", build.engine, "build", "--progress", "plain", "--tag", build.tag),
        *("--file", str(dockerfile), *labels, *secrets, str(build.staging.context)),
    )
    return command, variables


def _classic_command(build: ImageBuild, buildkit: BuildKit) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the command of a build without BuildKit; raises UserError ``buildkit-missing`` if it needs that."""
    files = dict[str, str]()
    if build.classic is None:
        check_dockerfile(build.address, build.dockerfile, build.path, buildkit.missing)
    else:
        certificates = _certificates()
        config = make_pip_config(os.environ, has_certificates=certificates is not None, folder=CLASSIC_FOLDER)
        if mask_url_secrets(config) != config:
            raise secret_error(build.address, buildkit.missing)
        files[PIP_CONFIG] = config
        if certificates:
            files[CERTIFICATES] = certificates.read_text(encoding="utf-8", errors="replace")
    text = build.dockerfile if build.classic is None else build.classic
    context, private = build.staging
    return make_command(ClassicBuild(context, build.path, text, build.tag, build.labels, files), private), {}


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
    if (match := re.search(r"load metadata for (\S+)", text)) and is_pull_failure(last[-1]):
        return image_error(build.address, match[1], last[-1])
    for rule, pattern, message in () if build.classic is None else _PIP_RULES:
        if match := re.search(pattern, text, re.DOTALL):
            return user_error(rule, f"{build.address}: {message.format(*match.groups())}", _HINT)
    message = f"{build.address}: the build of its image ended with exit code {code}"
    hint = f"the whole log is in {build.log}; its last lines:"
    return UserError(Diagnostic("environment-build-failed", message, hint=hint, example=last))
