"""What `mlgit job show` says of a run."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.diagnostics import UserError
from reconciler.model import Json, Run, RunStatus
from reconciler.project.run_log import read_log_tail
from reconciler.project.state_session import StateSession
from reconciler.render.plan_json import run_to_json
from reconciler.secrets.redact import mask_json_secrets, secret_values


def run_details_to_json(session: StateSession, run: Run) -> Json:
    """Return a run with its inputs, the paths of its log and outputs, and the end of its log if it failed."""
    fields = {**run_to_json(run), **_resolved_inputs_to_json(run), **_log_and_output_paths(session, run)}
    return mask_json_secrets(fields, secret_values(run.spec))


def _resolved_inputs_to_json(run: Run) -> Json:
    """Return the environment and inputs of a run: literal values as they are, everything else by its version."""
    declared = run.spec.get("inputs")
    literals = declared if isinstance(declared, Mapping) else {}
    inputs = {name: _resolved_input(run, name, value) for name, value in literals.items()}
    environment = run.references.get("/environment")
    return ({"environment": str(environment)} if environment else {}) | ({"inputs": inputs} if inputs else {})


def _resolved_input(run: Run, name: str, value: Json) -> Json:
    if reference := run.references.get(f"/inputs/{name}/path"):
        return str(reference)
    return value.get("path", value.get("value")) if isinstance(value, Mapping) else value


def _log_and_output_paths(session: StateSession, run: Run) -> Json:
    """Return where a run's log and outputs are, or that they are gone; its artifacts; the log's end if it failed."""
    backends = session.open_backends()
    backend = backends.get(run.backend)
    if backend is None:
        host = session.config.backend_host(run.backend)
        return {"log": f"on {host}, which has the backend {run.backend}"} if host else {}
    if run.handle is None:
        return {}
    try:
        files = backend.describe(run.handle)
    except UserError as error:
        return {"files_gone": error.diagnostics[0].message}
    tail = read_log_tail(backends, run) if run.status is RunStatus.FAILED else ()
    artifacts: Json = {"artifacts": list(files.artifacts)} if files.artifacts else {}
    return {**files.locations, **artifacts} | ({"log_tail": "\n".join(tail) + "\n"} if tail else {})
