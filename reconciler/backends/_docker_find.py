"""What a plan that is shown asks the engine of the backend `docker`: whether it gives GPUs to containers.

It does not import the SDK of Docker.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.docker_socket import engine_address, inspect_engine
from reconciler.model import Json

GPUS_MISSING = "gpus-missing"
GPUS_HINT = "install the NVIDIA container toolkit and restart the engine, or set gpus: 0 of the backend in mlgit.yml"
_HOOK = "nvidia-container-runtime-hook"  # with which an engine gives GPUs without a runtime of its own for them
_PROGRAMS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")


def find_refusals(settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine would refuse runs; nothing if that is not known, as of an engine that does not answer."""
    if not settings.get("gpus") or settings.get("gpus_per_run") == 0:
        return ()
    try:
        info = inspect_engine(engine_address(str(settings.get("engine") or "")))
    except UserError:
        return ()
    if has_gpu_runtime(info) or info.get("DiscoveredDevices") or _has_hook():
        return ()
    message = f"a run that takes GPUs is refused on this machine: {describe_missing_gpus(info)}"
    return (Diagnostic(GPUS_MISSING, message, hint=GPUS_HINT, severity=Severity.WARNING),)


def has_gpu_runtime(info: Mapping[str, Any]) -> bool:
    """Return True if an engine certainly gives GPUs to containers."""
    return "nvidia" in (info.get("Runtimes") or {})


def describe_missing_gpus(info: Mapping[str, Any]) -> str:
    """Return that an engine gives no GPUs, with what it has instead."""
    return f"the Docker engine cannot give containers any; its runtimes: {_join(info.get('Runtimes') or ())}"


def _join(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _has_hook() -> bool:
    return shutil.which(_HOOK, path=os.pathsep.join((os.environ.get("PATH", ""), *_PROGRAMS))) is not None
