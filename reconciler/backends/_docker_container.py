"""The container of a run: its settings as the engine takes them, made of the task and the settings of the backend."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from docker import APIClient, DockerClient
from docker.types import Mount, Ulimit

from reconciler.backends._docker_engine import gpu_requests
from reconciler.backends._docker_image import FoundImage, Interpreter
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.diagnostics import user_error
from reconciler.docker_socket import LABELS
from reconciler.model import Json
from reconciler.model.docker_arguments import DockerArguments, parse_docker_arguments, parse_size
from reconciler.model.tasks import Task
from reconciler.runner.queue import Devices
from reconciler.runner.spec import FilesInput, RunSpec, StagedFile

TOKEN_LABEL, RUN_LABEL, FOLDER_LABEL = f"{LABELS}token", f"{LABELS}run", f"{LABELS}folder"
_DEFAULT_SHM = 2 << 30  # as on Azure ML
_STOP_MARGIN_SECONDS = 20  # for the runner to keep what the command wrote


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use, and how it is isolated; None and "" for what the engine does by default."""

    cpus: float | None
    memory: int | None
    shm_size: int
    arguments: DockerArguments
    network: str


def find_limits(task: Task, settings: Mapping[str, Json]) -> Limits:
    """Return the limits of a task: by its resources, else by its ``docker_args``, else by the settings.

    Raises UserError ``not-supported`` for arguments that are not passed on.
    """
    arguments = parse_docker_arguments(task.resources.docker_args)
    if isinstance(arguments, str):
        raise user_error("not-supported", f"{task.address}: docker_args: {arguments}", "remove it from docker_args")
    resources = task.resources
    return Limits(
        resources.cpus or arguments.cpus or settings.get("cpus"),
        resources.memory or arguments.memory or parse_size(settings.get("memory", "")),
        resources.shm or arguments.shm_size or parse_size(settings.get("shm_size", "")) or _DEFAULT_SHM,
        arguments,
        arguments.network or settings.get("network", ""),
    )


def create_container(  # noqa: PLR0913, PLR0917 - what a container is
    api: APIClient,
    task: Task,
    spec: RunSpec,
    image: FoundImage,
    interpreter: Interpreter,
    runner: Path,
    limits: Limits,
    devices: Devices,
    user: str,
) -> None:
    """Make the container of a run, under its token; it is not started."""
    api.create_container(
        image.id,
        name=task.token,
        entrypoint=interpreter.command(runner, spec.folder / SPEC_FILE),
        command=[],
        user=user,
        working_dir=str(spec.folder),
        environment=_variables(spec.folder, image, interpreter),
        labels={
            TOKEN_LABEL: task.token,
            RUN_LABEL: task.run,
            FOLDER_LABEL: str(spec.folder),
            f"{LABELS}address": task.address,
        },
        host_config=_host_config(api, [*_mounts(spec, runner), *interpreter.mounts()], limits, devices),
        stop_signal="SIGTERM",
        use_config_proxy=False,
    )


def stop_seconds(spec: RunSpec) -> int:
    """Return how long a container may take to stop: the grace of its command, and time to keep what it wrote."""
    return int(spec.grace) + _STOP_MARGIN_SECONDS


def _host_config(api: APIClient, mounts: list[Mount], limits: Limits, devices: Devices) -> dict[str, Any]:
    arguments = limits.arguments
    config: dict[str, Any] = api.create_host_config(
        mounts=mounts,
        nano_cpus=round(limits.cpus * 1e9) if limits.cpus else None,
        mem_limit=limits.memory,
        memswap_limit=limits.memory,
        shm_size=None if arguments.ipc in {"host", "none"} else limits.shm_size,
        ipc_mode=arguments.ipc or None,
        network_mode=limits.network or None,
        pids_limit=arguments.pids,
        ulimits=[Ulimit(name=name, soft=soft, hard=hard) for name, (soft, hard) in arguments.ulimits.items()],
        device_requests=gpu_requests(devices),
    )
    return config


def _variables(folder: Path, image: FoundImage, interpreter: Interpreter) -> dict[str, str]:
    """Return the variables of the runner: who runs it, who need not be a user of the image, and a home of the run."""
    user = _user_name()
    return {"HOME": str(folder / "home"), "USER": user, "LOGNAME": user, **interpreter.variables(image)}


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name on this machine either
        return str(os.getuid())


def _mounts(spec: RunSpec, runner: Path) -> Iterator[Mount]:
    """Yield what a container sees of this machine, each at its own path: the folder of its run, and what it copies."""
    yield Mount(str(spec.folder), str(spec.folder), "bind")
    yield Mount(str(runner), str(runner), "bind", read_only=True)
    for folder in _object_folders(spec):
        yield Mount(folder, folder, "bind", read_only=True)


def _object_folders(spec: RunSpec) -> Iterable[str]:
    """Return the folders of the objects that a run copies: the deepest one that has all, or each."""
    inputs = [
        file for job_input in spec.inputs.values() if isinstance(job_input, FilesInput) for file in job_input.files
    ]
    files: list[StagedFile] = [*spec.code, *inputs]
    folders = {str(file.object_path.parent) for file in files if not file.object_path.is_relative_to(spec.folder)}
    if not folders:
        return ()
    common = os.path.commonpath(folders)
    return (common,) if common.count("/") > 1 else sorted(folders)


class FoundContainer(NamedTuple):
    """A container of a run that the engine has: its name, its state, and the folder of the run."""

    name: str
    state: str
    folder: str


def list_containers(client: DockerClient, label: str) -> list[FoundContainer]:
    """Return the containers with a label, whatever state they are in."""
    found = client.api.containers(all=True, filters={"label": label})
    return [
        FoundContainer(item["Names"][0].removeprefix("/"), item["State"], item["Labels"].get(FOLDER_LABEL, ""))
        for item in found
        if item.get("Names")
    ]


def find_container(client: DockerClient, folder: Path) -> FoundContainer | None:
    """Return the container of the run in a folder, None if there is none."""
    return next(iter(list_containers(client, f"{FOLDER_LABEL}={folder}")), None)
