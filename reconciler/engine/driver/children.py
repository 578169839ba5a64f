"""The runs of steps and trials: submitted to their backends, polled, canceled, and collected when they have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.driver.decisions import Table, bound_contents
from reconciler.engine.driver.graph import FrozenGraph
from reconciler.engine.driver.parallel_tables import with_table
from reconciler.engine.driver.sweeps import trial_task
from reconciler.engine.task_contents import check_task_contents
from reconciler.model import Condition, Handle, Json, Phase, RunStatus, failure_reason
from reconciler.model.backend import BACKEND_CODES, Backend
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import CANCELED
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import DEFAULT_COMPUTE, Task, TaskContent
from reconciler.secrets.redact import mask_secrets, secret_values
from reconciler.timestamps import utc_timestamp

# Errors of the world, which may be over in a moment; all others are the failure of one attempt.
_PASSING_CODES = BACKEND_CODES | {
    *("store-full", "store-not-usable", "store-unreachable", "backend-unknown"),
    *("file-changed", "file-unusable", "cancel-failed"),
}
# What a plug-in raises that is not as this version of mlgit needs it: waiting changes nothing of it.
_DEFECTS = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)
_UNITS_OF_COMPUTES = {"slot", "GPU"}
_ACTIVE_STATUSES = {Phase.PENDING: RunStatus.QUEUED, Phase.RUNNING: RunStatus.RUNNING, Phase.READY: RunStatus.RUNNING}
_FINAL_STATUSES = {
    Phase.SUCCEEDED: RunStatus.COMPLETED,
    Phase.FAILED: RunStatus.FAILED,
    Phase.GONE: RunStatus.LOST,
}


def is_passing(error: UserError) -> bool:
    """Return True if an error may be over in a moment, so that the same is tried again."""
    return any(diagnostic.code in _PASSING_CODES for diagnostic in error.diagnostics)


@dataclass(slots=True)
class Children:
    """The runs of the steps of one graph. ``problems`` say what cannot be done at present, by step."""

    graph: FrozenGraph
    store: ObjectStore
    open_backend: Callable[[str], Backend]
    problems: dict[str, str] = field(default_factory=dict)
    _backends: dict[str, Backend] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)  # backends that tell how full a cluster is, and no compute of theirs

    def submit(self, run: StepRun, table: Table) -> StepRun:
        """Return a run that was intended as it is submitted, once for its token; or as it failed."""
        try:
            task = with_table(self.store, self._task(run, table))
            backend = self._backend(run.backend)
            check_task_contents(self.store, task, backend)
            handle = backend.submit(task, self.store)
        except UserError as error:
            return self._failed(run, error, "staging")
        except _DEFECTS as error:
            return self._ended_attempt(run, broken_error(run.backend, error), "staging")
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown, and tried again
            return self._failed(run, broken_error(run.backend, error), "staging")
        self.problems.pop(run.step, None)
        return replace(run, status=RunStatus.QUEUED, handle=handle, submitted_at=utc_timestamp("milliseconds"))

    def has_room(self, run: StepRun) -> bool:
        """Return True unless as many runs wait for a slot of the compute of a run as the compute has.

        A backend that does not say how full it is gets the run; so does one that cannot be asked, which says why.
        """
        if run.backend in self._whole:
            return True
        compute = f"compute/{self.graph.step_of(run.step).task.compute.name or DEFAULT_COMPUTE}"
        try:
            usages = tuple(self._backend(run.backend).usage())
            if any(usage.unit not in _UNITS_OF_COMPUTES for usage in usages):
                self._whole.add(run.backend)
            return not any(usage.name == compute and usage.queued >= usage.total for usage in usages)
        except Exception:  # noqa: BLE001 - what is wrong with a backend is reported by what is submitted to it
            return True

    def find(self, run: StepRun) -> StepRun:
        """Return a run that was intended, and is not wanted any more, as it is; canceled if it never was submitted."""
        try:
            handle = self._backend(run.backend).find(run.token)
        except UserError as error:
            return self._failed(run, error, "staging")
        if handle is None:
            now = utc_timestamp("milliseconds")
            return replace(run, status=RunStatus.CANCELED, failure=run.failure or "user", ended_at=now)
        return replace(run, status=RunStatus.QUEUED, handle=handle)

    def poll(self, runs: Iterable[StepRun]) -> dict[str, StepRun]:
        """Return the runs that are not as they were, by step: all of a backend are asked for at once."""
        by_backend: dict[str, list[StepRun]] = defaultdict(list)
        for run in runs:
            by_backend[run.backend].append(run)
        return {
            run.step: changed
            for backend, submitted in by_backend.items()
            for run, condition in self._conditions(backend, submitted)
            if (changed := self._observed(run, condition)) != run
        }

    def cancel(self, run: StepRun) -> None:
        """Ask a run to stop; what prevents it is a problem that may pass."""
        if run.handle is None:
            return
        try:
            self._backend(run.backend).cancel(run.handle)
        except UserError as error:
            self.problems[run.step] = error.diagnostics[0].message
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown, and tried again
            self.problems[run.step] = broken_error(run.backend, error).diagnostics[0].message

    def metrics(self, run: StepRun) -> Iterator[bytes]:
        """Yield what a run has logged so far, one JSON object a line; nothing if that was removed.

        Raises UserError if it cannot be read at present, which is a problem then.
        """
        if run.handle is None:
            return
        try:
            yield from self._backend(run.backend).metrics(run.handle)
        except UserError as error:
            if is_passing(error):
                self.problems[run.step] = error.diagnostics[0].message
                raise
        except Exception as error:
            raised = broken_error(run.backend, error)
            self.problems[run.step] = raised.diagnostics[0].message
            raise raised from error
        self.problems.pop(run.step, None)

    def _backend(self, name: str) -> Backend:
        if name not in self._backends:
            self._backends[name] = self.open_backend(name)
        return self._backends[name]

    def _task(self, run: StepRun, table: Table) -> Task:
        step = self.graph.step_of(run.step)
        bound = {
            name: TaskContent(step.bindings[name].type, step.bindings[name].mode, content)
            for name, content in bound_contents(step, table).items()
        }
        task = trial_task(step.task, run.params) if run.step != step.path else step.task
        inputs = {**task.inputs, **bound}
        return replace(task, run=run.run, token=run.token, step=run.step, root_run=self.graph.run, inputs=inputs)

    def _conditions(self, backend: str, runs: list[StepRun]) -> Iterator[tuple[StepRun, Condition]]:
        handles = [run.handle for run in runs if run.handle is not None]
        try:
            conditions: Mapping[Handle, Condition] = self._backend(backend).poll(handles)
            message = ""
        except UserError as error:
            conditions, message = {}, error.diagnostics[0].message
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown, and tried again
            conditions, message = {}, broken_error(backend, error).diagnostics[0].message
        for run in runs:
            condition = conditions.get(run.handle) if run.handle is not None else None
            yield run, condition if isinstance(condition, Condition) else Condition(Phase.UNKNOWN, message=message)

    def _observed(self, run: StepRun, condition: Condition) -> StepRun:
        """Return a run in a condition; as it was if that is not known, or its outputs cannot be stored at present."""
        if condition.phase is Phase.UNKNOWN:
            self.problems[run.step] = condition.message or f"the backend {run.backend} does not answer"
            return run
        self.problems.pop(run.step, None)
        if condition.phase in _ACTIVE_STATUSES:
            status = _ACTIVE_STATUSES[condition.phase]
            is_new = status is RunStatus.RUNNING and not run.started_at
            started_at = utc_timestamp("milliseconds") if is_new else run.started_at
            return replace(run, status=status, started_at=started_at)
        if condition.phase is Phase.GONE:
            self.cancel(run)  # what is left of it ends before there is another attempt
            if run.step in self.problems:
                return run
        ended = self._ended(run, condition)
        return self._with_outputs(ended, condition) if ended.status is RunStatus.COMPLETED else ended

    def _ended(self, run: StepRun, condition: Condition) -> StepRun:
        result = condition.result
        failure: Json = result.get("failure") or {}
        is_canceled = condition.phase is Phase.FAILED and condition.reason == CANCELED
        if run.failure and (is_canceled or condition.phase is Phase.GONE):  # it was canceled for that
            failure, is_canceled = {"class": run.failure, "message": run.message}, True
        message = failure_reason(failure.get("message") or ("" if is_canceled else condition.message))
        variables = {"environment_variables": dict(self.graph.step_of(run.step).task.variables)}
        return replace(
            run,
            status=RunStatus.CANCELED if is_canceled else _FINAL_STATUSES[condition.phase],
            failure=failure.get("class", "user" if is_canceled else ""),
            message="" if condition.phase is Phase.SUCCEEDED else mask_secrets(message, secret_values(variables)),
            exit_code=failure.get("exit_code") if failure else result.get("exit_code"),
            started_at=result.get("started", run.started_at),
            ended_at=result.get("ended", utc_timestamp("milliseconds")),
            metrics=result.get("metrics", {}),
            params=run.params or result.get("params", {}),
        )

    def _with_outputs(self, ended: StepRun, condition: Condition) -> StepRun:
        """Return a completed run with its outputs in the store; if they cannot be stored, it has failed."""
        if ended.handle is None:
            raise AssertionError(ended)
        try:
            contents = self._backend(ended.backend).collect(ended.handle, self.store).outputs
        except UserError as error:
            if is_passing(error):
                self.problems[ended.step] = error.diagnostics[0].message
                return replace(ended, status=RunStatus.RUNNING, ended_at="")
            return _without_outputs(ended, error)
        except _DEFECTS as error:
            return _without_outputs(ended, broken_error(ended.backend, error))
        sizes = condition.result.get("outputs", {})
        outputs = {name: {**sizes.get(name, {}), **content.to_json()} for name, content in contents.items()}
        return replace(ended, outputs=self.graph.step_of(ended.step).with_paths(outputs, ended.run))

    def _failed(self, run: StepRun, error: UserError, failure: str) -> StepRun:
        """Return a run that could not be submitted: as it was if that may pass, else as a failed attempt."""
        if is_passing(error):
            self.problems[run.step] = error.diagnostics[0].message
            return run
        return self._ended_attempt(run, error, failure)

    def _ended_attempt(self, run: StepRun, error: UserError, failure: str) -> StepRun:
        self.problems.pop(run.step, None)
        now, message = utc_timestamp("milliseconds"), error.diagnostics[0].message
        return replace(run, status=RunStatus.FAILED, failure=failure, message=message, ended_at=now)


def _without_outputs(ended: StepRun, error: UserError) -> StepRun:
    """Return a completed run as failed, as its outputs cannot be stored."""
    message = f"it completed, but its outputs cannot be stored: {error.diagnostics[0].message}"
    return replace(ended, status=RunStatus.FAILED, failure="user", message=message)


def broken_error(backend: str, error: Exception) -> UserError:
    """Return the error of a backend that raised something that it may not."""
    message = f"the backend {backend} failed: {type(error).__name__}: {error}"
    return user_error("backend-broken", message, "report this to the authors of the backend")
