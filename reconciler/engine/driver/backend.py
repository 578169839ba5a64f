"""The driver as a backend: pipelines and sweeps are submitted, polled and canceled as other runs are."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from reconciler.abbreviation import pluralize
from reconciler.backends import BACKENDS, secrets_of
from reconciler.diagnostics import UserError
from reconciler.engine.driver.events import (
    CANCELS,
    GRAPHS,
    RESULTS,
    EventLog,
    find_graph,
    find_submission,
    format_events,
    gone_error,
)
from reconciler.engine.driver.graph import FrozenGraph
from reconciler.engine.driver.process import DriverProcess, DriverSettings, StoreSettings
from reconciler.engine.driver.result import decode_result, graph_outputs
from reconciler.model import Condition, Handle, Json, Phase, RunStatus
from reconciler.model.backend import RunFiles, RunResult
from reconciler.model.clusters import makes_local_cluster
from reconciler.model.object_store import ObjectStore, is_entry_name
from reconciler.model.providers import CANCELED, Usage
from reconciler.model.secret_bindings import STORE_ADDRESS, backend_address
from reconciler.model.step_runs import DRIVER, DRIVER_GONE, StepRun
from reconciler.model.tasks import Environment, Task
from reconciler.runner.result import FinalStatus
from reconciler.storage.stores import STORES
from reconciler.timestamps import utc_timestamp

_FOLLOW_SECONDS = 0.2
_LOST_CODES = frozenset({"graph-damaged", "content-missing", "content-corrupt"})
_FINAL_PHASES = {
    FinalStatus.COMPLETED: (Phase.SUCCEEDED, ""),
    FinalStatus.FAILED: (Phase.FAILED, ""),
    FinalStatus.CANCELED: (Phase.FAILED, CANCELED),
}


class DriverBackend:
    """Runs pipelines and sweeps: each has a driver, a process that submits the runs of its steps.

    ``folder`` is where this machine has the files of backends, ``store`` what a driver opens the store with,
    ``open_store`` what opens it here, and ``read_secrets`` returns what reads the secrets of the store or of a
    backend, by its address in ``secrets:`` of mlgit.yml.
    """

    def __init__(
        self,
        folder: Path,
        store: StoreSettings,
        host: str,
        open_store: Callable[[], ObjectStore],
        read_secrets: Callable[[str], Callable[[str], str | None]] = lambda _address: lambda _pointer: None,
    ) -> None:
        self._folder = folder
        self._settings = store
        self._host = host
        self._open_store = open_store
        self._read_secrets = read_secrets
        self._graphs: dict[str, FrozenGraph] = {}
        self._logs: dict[str, EventLog] = {}

    def check_environment(self, _environment: Environment) -> None:
        """Accept any: the steps run on other backends."""

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        """Start the driver of a run, whose frozen graph is the code of the task; once for each token."""
        if task.code is None:
            raise AssertionError(task)
        document = {"run": task.run, "graph": task.code.to_json(), "host": self._host}
        store.create(f"{GRAPHS}/{task.token}", json.dumps(document).encode())
        handle = _make_handle(task.run, task.token)
        self.resume(handle)
        return handle

    def find(self, token: str) -> Handle | None:
        submission = find_submission(self._store, token)
        return _make_handle(submission.run, token) if submission is not None else None

    def resume(self, handle: Handle) -> bool:
        """Start a driver for a run that has none and has not ended, if this machine can; return True if it did."""
        token = _token_of(handle)
        try:
            graph = self._find_graph(token)
            if self._read_result(token) is not None or graph is None or self._other_host(handle):
                return False
        except UserError as error:
            if _is_lost(error):
                return False
            raise
        settings = DriverSettings(token, self._settings, str(self._folder))
        return self._process(handle).start(settings, self._variables_of(graph), self._secrets_of(graph))

    def _secrets_of(self, graph: FrozenGraph) -> Mapping[str, str]:
        """Return the secrets of the store and of the backends of a run, by address and field.

        Raises UserError ``secret-missing``.
        """
        fields = {STORE_ADDRESS: STORES.load(self._settings.type).secrets}
        for name, settings in graph.backends.items():
            fields[backend_address(name)] = secrets_of(str(settings["type"]))
        values = {
            f"{address}{pointer}": self._read_secrets(address)(pointer)
            for address, pointers in fields.items()
            for pointer in pointers
        }
        return {name: value for name, value in values.items() if value is not None}

    def _variables_of(self, graph: FrozenGraph) -> frozenset[str]:
        """Return the names of the environment variables that the store and the backends of a run read."""
        types = {str(settings["type"]) for settings in graph.backends.values()}
        plugins = [STORES.load(self._settings.type), *(BACKENDS.load(name) for name in types if BACKENDS.has(name))]
        return frozenset().union(*(plugin.variables for plugin in plugins))

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        return {handle: self._condition(handle) for handle in handles}

    def cancel(self, handle: Handle) -> bool:
        token = _token_of(handle)
        if self._read_result(token) is not None or self.find(token) is None:
            return False
        self._store.create(f"{CANCELS}/{token}", json.dumps({"at": utc_timestamp()}).encode())
        self.resume(handle)
        return True

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        """Yield a line for each event of a run; it is the same on every machine."""
        is_active, log = True, self._log(handle)
        while is_active:
            is_active = follow and self._read_result(_token_of(handle)) is None
            log.read_new()
            text = "".join(f"{line}\n" for line in format_events(log.events)).encode()
            since = max(0, len(text) + since) if since < 0 else since
            if text[since:]:
                yield text[since:]
            since = max(since, len(text))
            if is_active:
                time.sleep(_FOLLOW_SECONDS)

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        """Yield nothing: what a pipeline logs, its steps log."""
        self._graph(handle)
        return iter(())

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        """Return the steps of a run that has ended and, if it completed, its outputs, which are those of its steps."""
        del store  # the outputs of the steps are there
        result, log = self._read_result(_token_of(handle)) or {}, self._log(handle)
        log.read_new()
        is_completed = result.get("status") == FinalStatus.COMPLETED
        outputs = graph_outputs(self._graph(handle), log.table) if is_completed else {}
        return RunResult(outputs, self.steps(handle))

    def steps(self, handle: Handle) -> tuple[StepRun, ...]:
        """Return the steps of a run as they are now, in the order of its graph; trials come after their sweep."""
        graph, log = self._graph(handle), self._log(handle)
        log.read_new()
        trials: dict[str, list[StepRun]] = {}
        for path in log.table.keys() - graph.steps.keys():
            trials.setdefault(path.rpartition(".")[0], []).append(log.table[path])
        steps: list[StepRun] = []
        for path, step in graph.steps.items():
            steps.append(log.table.get(path) or step.not_started())
            steps += sorted(trials.get(path, ()), key=lambda trial: int(trial.step.rpartition(".")[2]))
        return tuple(steps)

    def describe(self, handle: Handle) -> RunFiles:
        self._graph(handle)
        return RunFiles()

    def usage(self) -> Iterable[Usage]:
        return ()

    @cached_property
    def _store(self) -> ObjectStore:
        return self._open_store()

    def _condition(self, handle: Handle) -> Condition:
        token = _token_of(handle)
        try:
            is_alive = self._process(handle).is_alive  # asked first: it may end meanwhile, with a result
            result = self._read_result(token)
            if result is not None:
                phase, reason = _FINAL_PHASES[FinalStatus(result["status"])]
                return Condition(phase, reason, result=result)
            if self.find(token) is None:
                return Condition(Phase.GONE, message="its graph is no longer in the store")
            return self._active_condition(handle, is_alive=is_alive)
        except UserError as error:
            phase = Phase.GONE if _is_lost(error) else Phase.UNKNOWN
            return Condition(phase, message=error.diagnostics[0].message)

    def _active_condition(self, handle: Handle, *, is_alive: bool) -> Condition:
        log = self._log(handle)
        log.read_new()
        steps = self._graph(handle).steps
        completed = sum(log.table[path].status is RunStatus.COMPLETED for path in steps if path in log.table)
        message = f"{completed} of {pluralize(len(steps), 'step')} completed"
        problem = self._process(handle).problem
        if is_alive:
            return Condition(Phase.RUNNING, message=f"{message}; waits: {problem}" if problem else message)
        if other := self._other_host(handle):
            return Condition(Phase.RUNNING, message=f"{message}; continues on {other}")
        if (host := self._last_host(handle)) != self._host:
            return Condition(Phase.RUNNING, DRIVER_GONE, f"{message}; its driver is on {host}")
        ended = f"its driver ended ({problem})" if problem else "its driver ended"
        return Condition(Phase.RUNNING, DRIVER_GONE, f"{message}; {ended}; `mlgit apply` continues it")

    def _other_host(self, handle: Handle) -> str:
        """Return the machine that has a backend of the graph, "" if this one can reach them all.

        What is bound to its machine, without a name in mlgit.yml, is where the files of the driver are.
        """
        graph = self._find_graph(_token_of(handle))
        if graph is None:
            return ""
        settings = tuple(graph.backends.values())
        hosts = [host for item in settings if (host := str(item.get("host", "")))]
        if any(host != self._host for host in hosts):
            return next(host for host in hosts if host != self._host)
        is_bound = any("host" not in item and _is_host_bound(item) for item in settings)
        is_here = self._process(handle).has_files or self._last_host(handle) == self._host
        return "" if not is_bound or is_here else self._last_host(handle)

    def _last_host(self, handle: Handle) -> str:
        """Return the machine that has driven a run last, or else submitted it."""
        log = self._log(handle)
        log.read_new()
        if log.events:
            return log.events[-1].host
        submission = find_submission(self._store, _token_of(handle))
        return submission.host if submission is not None else ""

    def _graph(self, handle: Handle) -> FrozenGraph:
        """Return the graph of a run; raises UserError ``run-files-gone`` if the store has it no longer."""
        graph = self._find_graph(_token_of(handle))
        if graph is None:
            raise gone_error(handle.id)
        return graph

    def _find_graph(self, token: str) -> FrozenGraph | None:
        if token not in self._graphs:
            graph = find_graph(self._store, token)
            if graph is None:
                return None
            self._graphs[token] = graph
        return self._graphs[token]

    def _log(self, handle: Handle) -> EventLog:
        graph = self._graph(handle)
        return self._logs.setdefault(graph.token, EventLog(self._store, graph))

    def _read_result(self, token: str) -> Mapping[str, Json] | None:
        raw = self._store.read(f"{RESULTS}/{token}")
        return decode_result(raw, f"{RESULTS}/{token}") if raw is not None else None

    def _process(self, handle: Handle) -> DriverProcess:
        """Return the driver of a run on this machine; whatever a record has for an id, it is a folder of its own."""
        is_file_name = handle.id not in {"", ".", ".."} and not {"/", "\0"} & set(handle.id)
        name = handle.id if is_file_name else hashlib.sha256(handle.id.encode()).hexdigest()
        return DriverProcess(self._folder / "drivers" / name)


def _is_host_bound(settings: Mapping[str, Json]) -> bool:
    return makes_local_cluster(settings) or bool(BACKENDS.load(str(settings["type"])).is_host_bound)


def _is_lost(error: UserError) -> bool:
    """Return True if no driver can go on with a run: the store has its steps no longer, or not as they were."""
    return any(diagnostic.code in _LOST_CODES for diagnostic in error.diagnostics)


def _make_handle(run: str, token: str) -> Handle:
    return Handle(DRIVER, run, {"token": token})


def _token_of(handle: Handle) -> str:
    """Return the token of a run; whatever a record has in its place, it can name an entry of the store."""
    token = str(handle.data.get("token", ""))
    return token if is_entry_name(f"{GRAPHS}/{token}") else hashlib.sha256(token.encode()).hexdigest()
