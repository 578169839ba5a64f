"""Images of an engine: what a name is resolved to, the Python in one, and pushes to a registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from packaging.version import Version

from reconciler.builders._docker_find import FoundImage, describe_image, image_repository, is_local_name, local_image_id
from reconciler.builders._imports import IMPORT_SCRIPT, read_import_failure
from reconciler.builders._interpreter import PROBE_SCRIPT
from reconciler.diagnostics import UserError, user_error
from reconciler.docker_socket import LABELS
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import ReportProgress
from reconciler.model.tasks import Image
from reconciler.secrets.urls import mask_url_secrets

_LIBC = re.compile(r"linux-(?P<machine>\w+?)(?:-glibc-(?P<major>\d+)\.(?P<minor>\d+))?$")
_MANYLINUX_2 = (17, *range(28, 41))  # the versions of glibc 2 that uv knows
_NO_PROGRAM = re.compile(r"executable file not found|no such file or directory|exec format error", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"connection refused|no such host|i/o timeout|network is unreachable|no route to host|server misbehaving"
    r"|context deadline exceeded",
    re.IGNORECASE,
)
_CANNOT_BE_PULLED = re.compile(
    r"pull access denied|not found|manifest unknown|no such host|connection refused|unauthorized|i/o timeout"
    r"|network is unreachable|failed to resolve|failed to do request|server misbehaving|TLS|x509",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ImagePython:
    """The Python of an image; ``target`` are the options with which uv resolves packages for it."""

    version: str
    platform: str

    @property
    def target(self) -> tuple[str, ...]:
        """The options of uv for it."""
        match = _LIBC.search(self.platform)
        machine = match["machine"] if match else "x86_64"
        minor = int(match["minor"]) if match and match["minor"] else 0
        known = max((version for version in _MANYLINUX_2 if version <= minor), default=0)
        platform = f"{machine}-manylinux_2_{known}" if known else f"{machine}-unknown-linux-musl"
        return ("--python-version", self.version, "--python-platform", platform)


def find_image(client: docker.DockerClient, name: str) -> FoundImage | None:
    """Return an image that the engine has, by a name, a digest or its id; None if it has none."""
    try:
        image = client.images.get(name)
    except (ImageNotFound, NotFound):
        return None
    return describe_image(name, image.attrs)


def resolve_image(client: docker.DockerClient, address: str, name: str, progress: ReportProgress) -> FoundImage:
    """Return an image by its name: as the engine has it, or else pulled; raises UserError ``image-not-found``."""
    try:
        found = find_image(client, name) or find_image(client, local_image_id(name))
        if found is None:
            progress(f"pulling {name}")
            client.images.pull(name, tag=None if _has_tag(name) else "latest")
            found = find_image(client, name)
    except APIError as error:
        raise image_error(address, name, str(error.explanation or error)) from error
    if found is None:
        raise image_error(address, name, "the engine does not have it after it was pulled")
    return found


def current_base(client: docker.DockerClient, name: str) -> str:
    """Return what a name means now: to its registry, or to the engine for an image that is in none; "" for neither."""
    try:
        found = find_image(client, name)
        if found is not None and found.is_local:
            return found.pinned
        digest = client.images.get_registry_data(name).id
    except APIError:
        return ""
    return f"{image_repository(found.pinned if found else name)}@{digest}"


def image_error(address: str, name: str, cause: str) -> UserError:
    """Return the error of an image that cannot be pulled."""
    cause = mask_url_secrets(" ".join(cause.split()))
    if "no space left" in cause:
        return disk_full_error(address)
    if is_local_name(name):
        message = f"{address}: the image that it was built on is in no registry, and not on this Docker engine"
        hint = "push that image and name it by its registry, or set registry: of the builder, so that builds are pushed"
        return user_error("image-not-found", message, hint)
    message = f"{address}: the image {name} is not on the Docker engine, and cannot be pulled: {cause}"
    hint = (
        "check its name, log in (docker login), or let the engine ask a mirror: registry-mirrors in"
        " /etc/docker/daemon.json; an image that exists nowhere else can be loaded (docker load)"
    )
    return user_error("image-not-found", message, hint)


def is_pull_failure(text: str) -> bool:
    """Return True if a text is what an engine says of an image that it cannot pull."""
    return bool(_CANNOT_BE_PULLED.search(text))


def disk_full_error(address: str) -> UserError:
    """Return the error of an engine without space."""
    hint = "free some (docker system df; `mlgit env prune`), or give the engine a larger disk"
    return user_error("disk-full", f"{address}: the disk of the Docker engine is full", hint)


class _Ended(NamedTuple):
    """How a program in a container has ended."""

    exit_code: int
    output: bytes


def find_python(client: docker.DockerClient, image: str) -> ImagePython | None:
    """Return the Python of an image; None if there is none."""
    for program in ("python3", "python"):
        ended = _try_program(client, image, [program, "-I", "-c", PROBE_SCRIPT], "python")
        if ended and not ended.exit_code:  # one that is too old cannot run the script
            return _read_python(ended.output)
    return None


def _try_program(
    client: docker.DockerClient,
    image: str,
    command: Sequence[str],
    purpose: str,
    variables: Mapping[str, str] = EMPTY_MAPPING,
) -> _Ended | None:
    """Run a program in a container without a network, and remove that; return None if the image has no such program."""
    container = client.containers.create(
        image,
        [*command[1:]],
        entrypoint=command[0],
        environment=dict(variables),
        network_disabled=True,
        labels={f"{LABELS}probe": purpose},
    )
    try:
        container.start()
        return _Ended(int(container.wait()["StatusCode"]), container.logs(stderr=False))
    except APIError as error:
        if _NO_PROGRAM.search(str(error.explanation or error)):
            return None
        raise
    finally:
        container.remove(force=True, v=True)


def _read_python(output: bytes) -> ImagePython | None:
    """Return the Python that the script has printed; None if an image has another program under that name."""
    try:
        version, platform, _ = json.loads(output)
        Version(version)
    except (ValueError, TypeError, RecursionError):
        return None
    return ImagePython(version, platform) if re.fullmatch(r"[\w.-]+", str(platform)) else None


def try_image_imports(client: docker.DockerClient, image: Image, modules: Sequence[str]) -> str:
    """Return what is wrong with the first of the modules that an image cannot import; "" if it can import all."""
    for program in ("python3", "python"):
        command = (program, "-I", "-c", IMPORT_SCRIPT, *modules)
        ended = _try_program(client, image.reference, command, "imports", image.variables)
        if ended:
            output = "" if ended.exit_code else ended.output.decode("utf-8", "replace")
            return read_import_failure(output, ended.exit_code)
    return "the image has no Python"


def push_image(client: docker.DockerClient, address: str, image: str, registry: str, tag: str) -> FoundImage:
    """Push an image to a registry, and return it as it is there.

    Raises UserError ``registry-refused`` or ``registry-unreachable``.
    """
    repository = f"{registry}/environment"
    client.images.get(image).tag(repository, tag)
    try:
        for event in client.images.push(repository, tag, stream=True, decode=True):
            if error := event.get("error"):
                raise _refused(address, registry, str(error))
    except APIError as error:
        raise _refused(address, registry, str(error.explanation or error)) from error
    pushed = find_image(client, f"{repository}:{tag}")
    if pushed is None or not pushed.pinned.startswith(f"{repository}@"):
        raise _refused(address, registry, "the engine has no digest of the image that it pushed")
    return pushed


def _refused(address: str, registry: str, cause: str) -> UserError:
    cause = mask_url_secrets(" ".join(cause.split()))
    if _NO_ANSWER.search(cause):
        message = f"{address}: the registry {registry} does not answer the Docker engine: {cause}"
        hint = "start it, or check registry: in mlgit.yml, and the network and the proxy of the engine"
        return user_error("registry-unreachable", message, hint)
    message = f"{address}: the registry {registry} refuses the image: {cause}"
    hint = (
        f"log in (docker login {registry.partition('/')[0]}), and check registry: in mlgit.yml and who may write to it"
    )
    return user_error("registry-refused", message, hint)


def _has_tag(name: str) -> bool:
    return "@" in name or ":" in name.rpartition("/")[2]
