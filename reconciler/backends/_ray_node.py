"""What the backend `ray` does on the machine that submits: runs are jobs of a Ray cluster, by its Jobs API.

A job has the token of its run for its id, so that it is found if the process that submitted it was killed.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.abbreviation import pluralize
from reconciler.backends._local_queue import write_final_result
from reconciler.backends._ray_api import RayApi, RayError, find_largest
from reconciler.backends._ray_cluster_files import HEAD, files_of_backend, is_local
from reconciler.backends._ray_cluster_network import is_inside
from reconciler.backends._ray_condition import CANCEL_FILE, Job, JobState, find_condition, is_alive
from reconciler.backends._runner import explain_start
from reconciler.backends._scheduled import ScheduledBackend, has_open_end, read_note, read_result, read_token
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.docker_arguments import parse_size
from reconciler.model.providers import Condition, Handle, Usage
from reconciler.model.tasks import Resources, Task
from reconciler.private_files import touch_private_file
from reconciler.runner.apart import END_FILE
from reconciler.runner.files import reserve_token
from reconciler.runner.result import CommandOutcome, FinalStatus
from reconciler.runner.spec import RunSpec

_CPU, _GPU, _MEMORY = "CPU", "GPU", "memory"  # Ray's names
_FIELDS = {_CPU: "entrypoint_num_cpus", _GPU: "entrypoint_num_gpus", _MEMORY: "entrypoint_memory"}
_STATES = {"PENDING": JobState.WAITING, "RUNNING": JobState.RUNNING, "STOPPED": JobState.STOPPED}
_START_TIMEOUT = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
_GAVE_UP = (
    "Ray gave up after it had waited too long for a node: set RAY_JOB_START_TIMEOUT_SECONDS, 900 if it is not set, "
    "where its head is started"
)
_GIBIBYTE = 1 << 30
_GONE_STATES = ("", "ended", "failed")  # of the head of a cluster that mlgit makes
_MESSAGE_LENGTH = 300
# Lines that Ray writes into the log of a job: what the job itself says of its end comes before or after them.
_OF_RAY = re.compile(r"Running entrypoint for job |[0-9-]{10} [0-9:,]{12}\s.* -- |Job entrypoint command failed with ")


class RayNodeBackend(ScheduledBackend[Job]):
    """Runs jobs as those of a Ray cluster; its folder is seen by the nodes of the cluster."""

    provider = "ray"

    def __init__(self, folder: Path, settings: Mapping[str, Json]) -> None:
        super().__init__(folder)
        self._settings = settings
        self._clock = folder / "clock"  # a file by which the clock of the disk is read
        self._cluster = files_of_backend(folder, self._name)

    @property
    def _api(self) -> RayApi:
        """The API of the cluster, which may have been made anew since it was asked before. Raises UserError."""
        if "address" in self._settings:
            return RayApi(self._settings["address"], self._settings.get("token") or "")
        if (api := self._cluster.open_api()) is None:
            message = f"mlgit has made no Ray cluster for the backend {self._name}"
            raise user_error("backend-unreachable", message, "`mlgit apply` makes that of the compute bound to it")
        if is_local(self._cluster.read()) and not is_inside(self._cluster):
            message = f"the Ray cluster of the backend {self._name} on {os.uname().nodename} has ended"
            raise user_error("backend-unreachable", message, "`mlgit apply` makes it again")
        return api

    def usage(self) -> Iterable[Usage]:
        """Return how many processors and GPUs of the cluster are in use, by whomever, and how many jobs wait."""
        waiting = sum(job.get("status") == "PENDING" for job in self._api.list_jobs().values())
        rows = self._api.usage()
        name = f"Ray at {self._settings['address']}" if "address" in self._settings else f"Ray of {self._name}"
        return tuple(
            Usage(name, unit, math.ceil(rows[unit][0]), int(rows[unit][1]), waiting if unit == _CPU else 0)
            for unit in (_CPU, _GPU)
            if unit in rows
        )

    def _send_job(self, task: Task, runner: tuple[str, ...], spec_file: Path) -> Mapping[str, Json]:
        resources = find_resources(task.resources, self._settings)
        self._check_fit(task, resources)
        try:
            self._api.submit_job(make_job(task, runner, spec_file, resources))
        except RayError as error:
            message = f"Ray refuses {task.address}: {error}"
            hint = f"correct the settings of the backend {self._name} in mlgit.yml"
            raise user_error("submission-refused", message, hint) from error
        return {"resources": resources, "instances": task.resources.instances}

    def _complete_spec(self, spec: RunSpec, task: Task) -> RunSpec:
        return replace(spec, cpus=find_resources(task.resources, self._settings)[_CPU])

    def _check_fit(self, task: Task, resources: Mapping[str, float]) -> None:
        """Raise UserError ``submission-refused`` if no node has what a run asks for, or too few nodes have it."""
        nodes, wanted = self._list_nodes(), task.resources.instances
        if (misfit := describe_misfit(resources, nodes)) is not None:
            message, most = misfit
            hint = f"{most}; lower cpus:, memory: or gpus_per_run: of the backend {self._name} in mlgit.yml"
            raise user_error("submission-refused", f"{task.address} {message}", hint)
        fitting = sum(all(node.get(name, 0) >= value for name, value in resources.items()) for node in nodes)
        if nodes and fitting < wanted:
            message = f"{task.address} asks for {wanted} nodes with {_words(resources)}; the Ray cluster has {fitting}"
            raise user_error("submission-refused", message, "lower resources.instance_count of the job")

    def _list_nodes(self) -> Sequence[Mapping[str, float]]:
        """Return what the nodes of the cluster have, those too that a cluster of mlgit only starts for a run."""
        return self._api.list_nodes() if "address" in self._settings else self._cluster.resources()

    def _has_job(self, token: str) -> bool:
        return self._api.find_job(token) is not None

    @property
    def _is_cluster_gone(self) -> bool:
        """True if the cluster that mlgit makes is not there, or its head has ended: what it ran is lost."""
        return "address" not in self._settings and self._cluster.read_state(HEAD).get("state", "") in _GONE_STATES

    def _find_jobs(self, folders: Mapping[str, Path]) -> tuple[Mapping[str, Job], Mapping[str, str]]:
        if self._is_cluster_gone:
            return {}, {}
        try:
            jobs = self._api.find_jobs(folders.keys())
            problem = "" if "address" in self._settings else self._cluster.find_problem()
        except UserError as error:
            return {}, dict.fromkeys(folders, error.diagnostics[0].message)
        return {token: read_job(job, read_note(folders[token]), problem) for token, job in jobs.items()}, {}

    def _is_open(self, folder: Path) -> bool:
        return has_open_end(folder, CANCEL_FILE)

    def _condition(self, folder: Path, job: Job | None, problem: str) -> Condition:
        return find_condition(folder, job, problem, self._clock)

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        token = read_token(folder)
        if not token or (folder / END_FILE).exists() or read_result(folder) is not None:
            return False
        touch_private_file(folder / CANCEL_FILE)
        was_active = not self._is_cluster_gone and self._api.stop_job(token)
        try:
            reserve_token(self._token_files / token, handle.id)  # a runner that starts now ends as a duplicate
        except FileExistsError:
            return was_active or is_alive(folder, self._clock)
        write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))
        return True

    @property
    def _name(self) -> str:
        return self._settings.get("name") or self.provider


def make_job(task: Task, runner: Iterable[str], spec_file: Path, resources: Mapping[str, float]) -> dict[str, Any]:
    """Return the document that submits the job of a task, of which ``runner`` are the words that start a runner.

    With several instances it only starts these, each on a node of its own, and takes nothing itself.
    """
    has_instances = task.resources.instances > 1
    options = ("--ray", json.dumps(dict(resources))) if has_instances else ("--apart",)
    return {
        "submission_id": task.token,
        "entrypoint": f"exec {shlex.join([*runner, *options, str(spec_file)])}",
        "metadata": {"run": task.run, "address": task.address},
        **({} if has_instances else {_FIELDS[name]: value for name, value in resources.items()}),
    }


def find_resources(wanted: Resources, settings: Mapping[str, Json]) -> dict[str, float]:
    """Return what a run asks for, by Ray's names: of its job, else of the settings of the backend."""
    memory = wanted.memory or (parse_size(settings["memory"]) if "memory" in settings else None)
    values = {
        _CPU: wanted.cpus or settings.get("cpus", 1),
        _GPU: wanted.gpus or settings.get("gpus_per_run"),
        _MEMORY: memory,
    }
    return {name: value for name, value in values.items() if value}


def describe_misfit(resources: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> tuple[str, str] | None:
    """Return that no node of a cluster has what a run asks for, and what one has at most; None if that is not so."""
    if not nodes or any(all(node.get(name, 0) >= value for name, value in resources.items()) for node in nodes):
        return None
    largest = {name: value for name in _FIELDS if (value := find_largest(nodes, name))}
    message = f"asks for {_words(resources)}, and no node of the Ray cluster has that"
    return message, f"of its {pluralize(len(nodes), 'node')} none has more than {_words(largest)}"


def read_job(job: Mapping[str, Any], note: Mapping[str, Json], problem: str = "") -> Job:
    """Return what Ray says of a job; it says of one that waits only that this may be for several things.

    The ``problem`` is why a cluster that mlgit has made has fewer nodes than it should.
    """
    status = str(job.get("status"))[:_MESSAGE_LENGTH]
    state = _STATES.get(status, JobState.ENDED)
    resources, count = note.get("resources"), note.get("instances", 1)
    if state is JobState.WAITING or (state is JobState.RUNNING and count > 1):
        nodes = f"{count} nodes" if count > 1 else "a node"
        wanted = f"waits for {nodes} with {_words(resources)}" if resources else f"waits for {nodes}"
        return Job(state, f"{wanted}; {problem}" if problem else wanted)
    if job.get("error_type") == _START_TIMEOUT:
        return Job(state, _GAVE_UP)
    if state is JobState.RUNNING:
        return Job(state, "Ray starts it on its node")
    lines = [line.strip() for line in str(job.get("message") or "").splitlines() if line.strip()]
    words = [line for line in lines if not _OF_RAY.match(line)] or lines
    text = explain_start(words[-1])[-_MESSAGE_LENGTH:] if words else ""
    return Job(state, f"its job ended without a result ({status})" + (f": {text}" if text else ""))


def _words(resources: Mapping[str, float]) -> str:
    """Return resources as a list of words, as in ``2 CPUs, 1 GPU and 16 GiB of memory``."""
    words = list(_each_word(resources))
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def _each_word(resources: Mapping[str, float]) -> Iterator[str]:
    for name in (_CPU, _GPU):
        if value := resources.get(name):
            yield f"{value:g} {name}{'' if value == 1 else 's'}"
    if value := resources.get(_MEMORY):
        yield f"{value / _GIBIBYTE:.1f}".removesuffix(".0") + " GiB of memory"
