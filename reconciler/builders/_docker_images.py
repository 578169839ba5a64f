"""Images of an engine: what a name is resolved to, the Python in one, and pushes to a registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import docker
from docker.errors import APIError, ImageNotFound, NotFound

from reconciler.builders._imports import IMPORT_SCRIPT, read_import_failure
from reconciler.builders._interpreter import PROBE_SCRIPT
from reconciler.diagnostics import UserError, user_error
from reconciler.docker_engine import LABELS
from reconciler.model.builder import ReportProgress
from reconciler.model.tasks import Image
from reconciler.secrets.urls import mask_url_secrets

_PINNED_TAG = "mlgit/base"  # of images that are in no registry
_LIBC = re.compile(r"linux-(?P<machine>\w+?)(?:-glibc-(?P<major>\d+)\.(?P<minor>\d+))?$")
_MANYLINUX_2 = (17, *range(28, 41))  # the versions of glibc 2 that uv knows
_NO_PROGRAM = re.compile(r"executable file not found|no such file or directory|exec format error", re.IGNORECASE)
_CANNOT_BE_PULLED = re.compile(
    r"pull access denied|not found|manifest unknown|no such host|connection refused|unauthorized|i/o timeout"
    r"|network is unreachable|failed to resolve|failed to do request|server misbehaving|TLS|x509",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that the engine has."""

    id: str
    digest: str
    """Of its manifest in a registry; its id if it is in none."""
    pinned: str
    """A name of it that never means another image."""
    platform: str
    user: str
    labels: Mapping[str, str]


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
    digests = list(image.attrs.get("RepoDigests") or ())
    repository = _repository(name)
    pinned = next((item for item in digests if _repository(item) == repository), next(iter(digests), ""))
    config = image.attrs.get("Config") or {}
    return FoundImage(
        id=str(image.id),
        digest=pinned.partition("@")[2] or str(image.id),
        pinned=pinned or f"{_PINNED_TAG}:{str(image.id).partition(':')[2]}",
        platform=f"{image.attrs.get('Architecture')}-{image.attrs.get('Os')}",
        user=str(config.get("User") or ""),
        labels=dict(config.get("Labels") or {}),
    )


def resolve_image(client: docker.DockerClient, address: str, name: str, progress: ReportProgress) -> FoundImage:
    """Return an image by its name: as the engine has it, or else pulled; raises UserError ``image-not-found``.

    One that is in no registry gets a tag that names its content, so that a Dockerfile can name it.
    """
    found = find_image(client, name)
    if found is None:
        progress(f"pulling {name}")
        try:
            client.images.pull(name, tag=None if _has_tag(name) else "latest")
        except APIError as error:
            raise image_error(address, name, str(error.explanation or error)) from error
        found = find_image(client, name)
    if found is None:
        raise image_error(address, name, "the engine does not have it after it was pulled")
    if found.pinned.startswith(f"{_PINNED_TAG}:"):
        client.images.get(found.id).tag(found.pinned)
    return found


def image_error(address: str, name: str, cause: str) -> UserError:
    """Return the error of an image that cannot be pulled."""
    cause = mask_url_secrets(" ".join(cause.split()))
    if "no space left" in cause:
        return disk_full_error(address)
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


def find_python(client: docker.DockerClient, image: str) -> ImagePython | None:
    """Return the Python of an image; None if there is none."""
    for program in ("python3", "python"):
        try:
            output = client.containers.run(
                image,
                ["-I", "-c", PROBE_SCRIPT],
                entrypoint=program,
                remove=True,
                network_disabled=True,
                labels={f"{LABELS}probe": "python"},
            )
        except docker.errors.ContainerError:
            continue  # too old to run the script
        except APIError as error:
            if _NO_PROGRAM.search(str(error.explanation or error)):
                continue
            raise
        version, platform, _ = json.loads(output)
        return ImagePython(version, platform)
    return None


def try_image_imports(client: docker.DockerClient, image: Image, modules: Sequence[str]) -> str:
    """Return what is wrong with the first of the modules that an image cannot import; "" if it can import all."""
    for program in ("python3", "python"):
        try:
            output = client.containers.run(
                image.reference,
                ["-I", "-c", IMPORT_SCRIPT, *modules],
                entrypoint=program,
                environment=dict(image.variables),
                remove=True,
                network_disabled=True,
                labels={f"{LABELS}probe": "imports"},
            )
        except docker.errors.ContainerError as error:
            return read_import_failure("", error.exit_status)
        except APIError as error:
            if _NO_PROGRAM.search(str(error.explanation or error)):
                continue
            raise
        return read_import_failure(output.decode("utf-8", "replace"), 0)
    return "the image has no Python"


def push_image(client: docker.DockerClient, address: str, image: str, registry: str, tag: str) -> FoundImage:
    """Push an image to a registry, and return it as it is there; raises UserError ``registry-refused``."""
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
    message = f"{address}: the registry {registry} refuses the image: {mask_url_secrets(' '.join(cause.split()))}"
    hint = (
        f"log in (docker login {registry.partition('/')[0]}), and check registry: in mlgit.yml and who may write to it"
    )
    return user_error("registry-refused", message, hint)


def _repository(name: str) -> str:
    """Return the name of an image without its tag and digest."""
    path = name.partition("@")[0]
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _has_tag(name: str) -> bool:
    return "@" in name or ":" in name.rpartition("/")[2]
