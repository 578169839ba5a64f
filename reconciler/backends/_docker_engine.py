"""What an engine is like, as far as runs depend on it: how it maps users, and whether it gives GPUs to containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from docker import DockerClient
from docker.errors import APIError
from docker.types import DeviceRequest

from reconciler.backends._docker_find import GPUS_HINT, GPUS_MISSING, describe_missing_gpus, has_gpu_runtime
from reconciler.diagnostics import UserError, user_error
from reconciler.docker_socket import LABELS
from reconciler.runner.queue import Devices

_ROOTLESS, _REMAPPED = "rootless", "userns"
_NO_DRIVER = "could not select device driver"
_NO_PROGRAM = "/mlgit-none"


def container_user(security_options: Iterable[str], uid: int, gid: int) -> str:
    """Return the user of a container whose files belong to a user of this machine, by ``SecurityOptions`` of an engine.

    Root of a rootless engine is the user who runs it, and any other user is none of this machine. Raises UserError
    ``container-refused`` for an engine with ``userns-remap``: it has no user who is that of the run.
    """
    names = {_option_name(option) for option in security_options}
    if _ROOTLESS in names:
        return "0:0"
    if _REMAPPED in names:
        message = (
            "the Docker engine maps the users of containers to others (userns-remap): a run could not write into its "
            "folder, and what it wrote would belong to another user"
        )
        hint = "use an engine without userns-remap, or a rootless one: engine: of the backend in mlgit.yml"
        raise user_error("container-refused", message, hint)
    return f"{uid}:{gid}"


def _option_name(option: str) -> str:
    """Return the name of a security option, ``name=seccomp,profile=default``; old engines have it alone."""
    return option.partition(",")[0].removeprefix("name=")


def gpu_requests(devices: Devices) -> list[DeviceRequest] | None:
    """Return what a container asks an engine for; None without GPUs."""
    return [DeviceRequest(device_ids=list(devices.names), capabilities=[["gpu"]])] if devices.per_run else None


def check_gpus(client: DockerClient, info: Mapping[str, Any], image: str, devices: Devices) -> None:
    """Raise UserError ``gpus-missing`` if a run takes GPUs and the engine has no driver for them.

    The engine only tells when a container starts; this one has nothing to execute, and never runs.
    """
    if not devices.per_run or has_gpu_runtime(info):
        return
    container = client.api.create_container(
        image,
        entrypoint=[_NO_PROGRAM],
        command=[],
        labels={f"{LABELS}probe": "gpus"},
        network_disabled=True,
        host_config=client.api.create_host_config(device_requests=gpu_requests(devices)),
    )["Id"]
    try:
        client.api.start(container)
    except APIError as error:
        if _NO_DRIVER in str(error.explanation):
            raise _no_gpus(info, devices) from error
    finally:
        client.api.remove_container(container, force=True, v=True)


def _no_gpus(info: Mapping[str, Any], devices: Devices) -> UserError:
    message = f"a run takes GPUs ({devices.per_run} of {len(devices.names)}), and {describe_missing_gpus(info)}"
    return user_error(GPUS_MISSING, message, GPUS_HINT)
