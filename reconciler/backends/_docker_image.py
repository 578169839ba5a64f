"""The image of a run: found or pulled, and the Python that can execute the runner in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from docker import DockerClient
from docker.errors import APIError, ImageNotFound
from docker.types import Mount

from reconciler.backends._docker_engine import container_user
from reconciler.backends._runner import CommandEnvironment
from reconciler.diagnostics import UserError, user_error
from reconciler.docker_socket import LABELS
from reconciler.model.tasks import Image
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.runner.files import read_json_object

INTERPRETER_FOLDER, BYTECODE_FOLDER = "/mlgit/python", "/mlgit/bytecode"
_DIGEST = "sha256:"
_LIBRARY_PATH = "LD_LIBRARY_PATH"
_MOUNTED_LIBRARIES = f"{INTERPRETER_FOLDER}/lib"
# The first Python that can import the runner: of the image, else of this machine.
_PROBE = r"""
for python in python3 python "$1/bin/python3"; do
  path=$(command -v "$python") || continue
  [ "$python" = "$1/bin/python3" ] && export LD_LIBRARY_PATH="$2"
  "$path" -I -S -X "pycache_prefix=$4" -c 'import sys; sys.path.insert(0, sys.argv[1]); import runner.main' "$3" \
    >/dev/null 2>&1 || continue
  echo "$path"
  exit 0
done
exit 3
"""
# Only the image says what is in it: what it sets for its own programs is for the command, not for the runner.
_NOT_PASSED = {"PATH", "HOME", "HOSTNAME"}
# What the runner sets to protect environments that runs share; a container is of one run, and pip may write in it.
_OF_CONTAINER = {"PIP_REQUIRE_VIRTUALENV": "0", "PYTHONNOUSERSITE": "", "PIP_BREAK_SYSTEM_PACKAGES": "1"}


class FoundImage(NamedTuple):
    """An image that the engine has: its id, the variables that it sets, and the machine that it is for (``arm64``)."""

    id: str
    variables: Mapping[str, str]
    architecture: str = ""


class Interpreter(NamedTuple):
    """The Python that executes the runner in an image.

    ``bytecode`` is a folder of this machine with the modules of Python that the runner imports, compiled; ``source`` is
    one with the interpreter itself, "" if that of the image is used. Both are mounted.
    """

    path: str
    bytecode: Path
    source: str = ""

    def mounts(self, *, writes_bytecode: bool = False) -> list[Mount]:
        """Return what is mounted for it."""
        bytecode = Mount(BYTECODE_FOLDER, str(self.bytecode), "bind", read_only=not writes_bytecode)
        return [bytecode, *([Mount(INTERPRETER_FOLDER, self.source, "bind", read_only=True)] if self.source else [])]

    def command(self, runner: Path, spec: Path) -> list[str]:
        """Return the command that executes a spec."""
        return [self.path, "-I", "-S", "-X", f"pycache_prefix={BYTECODE_FOLDER}", str(runner), str(spec)]

    def variables(self, image: FoundImage) -> dict[str, str]:
        """Return the variables that it needs to start."""
        own = image.variables.get(_LIBRARY_PATH, "")
        return {_LIBRARY_PATH: ":".join(filter(None, (_MOUNTED_LIBRARIES, own)))} if self.source else {}


def find_image(client: DockerClient, image: Image) -> FoundImage:
    """Return an image that the engine has, or else pulled by its digest; raises UserError ``image-not-found``.

    A tag alone is not asked for: it can mean another image by now.
    """
    pinned = _pinned_reference(image)
    for name in (image.digest, pinned):
        try:
            return _inspect(client, name)
        except ImageNotFound:
            continue
    try:
        client.api.pull(pinned)
        return _inspect(client, pinned)
    except APIError as error:
        message = f"the Docker engine has no image {image.reference}, and cannot pull it: {error.explanation}"
        hint = "run `mlgit apply` to build the environment again; log in (docker login) to pull from a private registry"
        raise user_error("image-not-found", message, hint) from error


def _pinned_reference(image: Image) -> str:
    """Return the reference of an image by its digest, or by its id where it has no name."""
    if "@" in image.reference or image.reference.startswith(_DIGEST):
        return image.reference
    folder, slash, last = image.reference.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{image.digest}"


def _inspect(client: DockerClient, name: str) -> FoundImage:
    document = client.images.get(name).attrs
    variables = (document.get("Config") or {}).get("Env") or ()
    return FoundImage(
        str(document["Id"]),
        dict(str(line).partition("=")[::2] for line in variables),
        str(document.get("Architecture") or ""),
    )


def command_environment(image: FoundImage, variables: Mapping[str, str], folder: Path) -> CommandEnvironment:
    """Return the environment of an image as a command finds it: what the image sets, and then ``variables``.

    What pip does not write into the image, it writes below the folder of the run.
    """
    base = str(folder / "environment" / "user")
    path = [*filter(None, image.variables.get("PATH", "").split(":")), f"{base}/bin"]
    own = {name: value for name, value in image.variables.items() if name not in _NOT_PASSED}
    fixed = {**_OF_CONTAINER, "PYTHONUSERBASE": base, _LIBRARY_PATH: ""}
    return CommandEnvironment(tuple(path), {**fixed, **own, **variables})


def find_interpreter(client: DockerClient, image: FoundImage, runner: Path, source: str, notes: Path) -> Interpreter:
    """Return the Python that executes the runner in an image: its own, or that of a folder of this machine.

    What was found is noted by the image, the runner and the folder, beside the bytecode: images such as Docker's own of
    Python have none, and each run would compile the modules anew. Raises UserError ``image-unusable``.
    """
    source = source or os.path.realpath(sys.base_prefix)
    bytecode = notes / f"{_note_name(image.id)}-{runner.stem}"
    note = bytecode.with_suffix(".json")
    known = read_json_object(note) if bytecode.is_dir() else None
    if known is None or known.get("source") != source:
        make_private_folder(notes)
        _forget_images(client, notes)
        make_private_folder(bytecode)
        known = {"source": source, "path": _probe(client, image, runner, source, bytecode)}
        temporary = note.with_suffix(f".{os.urandom(6).hex()}")
        create_private_file(temporary, json.dumps(known).encode())
        temporary.replace(note)
    path = str(known["path"])
    return Interpreter(path, bytecode, source if path.startswith(INTERPRETER_FOLDER) else "")


def _note_name(image_id: str) -> str:
    return image_id.rpartition(":")[2][:32]


def _forget_images(client: DockerClient, notes: Path) -> None:
    """Remove what was noted of images that the engine has no more, some 2 MB of bytecode each.

    The notes are listed first: an image that is noted meanwhile was there before.
    """
    noted = list(notes.iterdir())
    present = {_note_name(image_id) for image_id in client.api.images(quiet=True, all=True)}
    for path in noted:
        if path.name.partition("-")[0] not in present:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _probe(client: DockerClient, image: FoundImage, runner: Path, source: str, bytecode: Path) -> str:
    """Return the path of the Python in a container that can import the runner; raises UserError ``image-unusable``.

    The one of this machine is mounted only for an image without one: a rootless engine may not be able to read it.
    """
    for candidate in (Interpreter("", bytecode), Interpreter("", bytecode, source)):
        if path := _try_probe(client, image, runner, candidate):
            return path
    cause = f"it has no Python 3.11 or newer, and the one of this machine, {source}, does not run in it"
    raise _unusable(client, image, cause)


def _try_probe(client: DockerClient, image: FoundImage, runner: Path, candidate: Interpreter) -> str:
    """Return the path of the Python in a container that can import the runner, "" if there is none."""
    # Read only: the image is not trusted, and the file of the runner is executed outside of containers as well. The
    # bytecode is written by the image, and read only by containers of the same image, which no job can change.
    mounts = [*candidate.mounts(writes_bytecode=True), Mount(str(runner), str(runner), "bind", read_only=True)]
    container = client.api.create_container(
        image.id,
        entrypoint=[
            *("/bin/sh", "-c", _PROBE, "sh"),
            *(INTERPRETER_FOLDER, _MOUNTED_LIBRARIES, str(runner), BYTECODE_FOLDER),
        ],
        command=[],
        user=container_user(client.info().get("SecurityOptions") or (), os.getuid(), os.getgid()),
        labels={f"{LABELS}probe": image.id},
        network_disabled=True,
        host_config=client.api.create_host_config(mounts=mounts),
    )["Id"]
    try:
        client.api.start(container)
        exit_code = client.api.wait(container)["StatusCode"]
        output = client.api.logs(container, stderr=False, tail=1).decode("utf-8", "replace").strip()
    except APIError as error:
        raise _unusable(client, image, f"/bin/sh does not start in it: {error.explanation}") from error
    finally:
        client.api.remove_container(container, force=True, v=True)
    return "" if exit_code or not output.startswith("/") else str(output)


def _unusable(client: DockerClient, image: FoundImage, cause: str) -> UserError:
    machine = str(client.version().get("Arch") or "")
    if image.architecture and machine and image.architecture != machine:
        message = f"no job can run in the image {image.id}: it is for {image.architecture}, and the engine is {machine}"
        return user_error("image-unusable", message, f"use an image for {machine}")
    message = f"no job can run in the image {image.id}: {cause}"
    hint = (
        "use an image with Python 3.11 or newer and a shell, or name a standalone Python of this machine: "
        "interpreter: of the backend in mlgit.yml"
    )
    return user_error("image-unusable", message, hint)
