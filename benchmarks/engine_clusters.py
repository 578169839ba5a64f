"""The clusters of `engines.py`, and how a job is given to them without mlgit: those of the tests, two nodes each."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.model.backend import Backend

NAMES = {"GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@b", "GIT_COMMITTER_NAME": "b", "GIT_COMMITTER_EMAIL": "b@b"}


@dataclass(frozen=True)
class Engine:
    """An engine without mlgit, and the backend on it.

    ``submit`` takes a command and how many processors it gets; ``completed`` returns the jobs that have completed, and
    raises SystemExit if one has failed; ``narrow`` are settings with which the second of two runs waits. ``python`` is
    that of Ray on its nodes.
    """

    settings: Mapping[str, Any]
    submit: Callable[[str, float], str]
    completed: Callable[[], set[str]]
    open_backend: Callable[..., Backend]
    narrow: Mapping[str, Any]
    secret: str = ""
    python: str = ""


def run(command: Sequence[str], folder: Path) -> str:
    """Return what a command prints; raise SystemExit with its output if it fails."""
    environment = {**os.environ, **NAMES}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def start_slurm(folder: Path) -> Iterator[Engine]:
    """Start a Slurm cluster, which the commands of this process find."""
    service, nodes = (importlib.import_module(f"services.{name}") for name in ("slurm", "ssh_node"))
    if service.MISSING:
        raise SystemExit(service.MISSING)
    cluster, files = service.SlurmCluster(folder / "cluster"), folder / "disk"
    os.environ.update(cluster.environment)

    def submit(command: str, processors: float) -> str:
        (folder / "job.sh").write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        options = ("--parsable", "--output=/dev/null", f"--cpus-per-task={processors:.0f}")
        return run(["sbatch", *options, str(folder / "job.sh")], folder).strip()

    def completed() -> set[str]:
        rows = [line.split() for line in run(["squeue", "-h", "--me", "--states=all", "-o%i %T"], folder).splitlines()]
        if failed := [row for row in rows if row[1] in {"FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT"}]:
            raise SystemExit(f"a bare job of Slurm has failed: {failed}")
        return {job for job, state in rows if state == "COMPLETED"}

    settings = {"type": "slurm", "folder": str(files), "python": nodes.PYTHON}
    try:
        cluster.start()
        opening = partial(service.open_slurm, files, folder / "notes")
        try:
            yield Engine(settings, submit, completed, opening, {"partition": "one"})
        finally:
            cluster.restore()  # a job that goes on has a slurmstepd, which would outlive the daemons
    finally:
        cluster.stop()


@contextmanager
def start_ray(folder: Path) -> Iterator[Engine]:
    """Start a Ray cluster."""
    service, nodes = (importlib.import_module(f"services.{name}") for name in ("ray_cluster", "ssh_node"))
    if service.MISSING:
        raise SystemExit(service.MISSING)
    cluster, files = service.RayCluster(folder / "cluster"), folder / "disk"

    def submit(command: str, processors: float) -> str:
        job = uuid.uuid4().hex
        document = {"submission_id": job, "entrypoint": f"exec {command}", "entrypoint_num_cpus": processors}
        cluster.ask("/api/jobs/", json.dumps(document).encode())
        return job

    def completed() -> set[str]:
        jobs = cluster.ask("/api/jobs/")
        if failed := [job for job in jobs if job["status"] in {"FAILED", "STOPPED"}]:
            raise SystemExit(f"a bare job of Ray has failed: {failed}")
        return {job["submission_id"] for job in jobs if job["status"] == "SUCCEEDED"}

    try:
        cluster.start()
        settings = {"type": "ray", "address": cluster.address, "folder": str(files), "python": nodes.PYTHON}
        opening = partial(service.open_ray, cluster, files)
        yield Engine(
            settings, submit, completed, opening, {"cpus": 2}, cluster.token, f"{cluster.environment}/bin/python"
        )
    finally:
        cluster.stop()


ENGINES = {"slurm": start_slurm, "ray": start_ray}
