"""What `mlgit job show` says of a run beside its record: its resolved inputs, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model import DEFAULT_ARTIFACTS, Json, Run
from reconciler.project.refresh import open_backends
from reconciler.project.session import Session


def resolved_inputs_to_json(run: Run) -> Json:
    """Return the environment and inputs of a run: literal values as they are, everything else by its version."""
    inputs = {name: _resolved_input(run, name, value) for name, value in (run.spec.get("inputs") or {}).items()}
    environment = run.references.get("/environment")
    return ({"environment": str(environment)} if environment else {}) | ({"inputs": inputs} if inputs else {})


def _resolved_input(run: Run, name: str, value: Json) -> Json:
    if reference := run.references.get(f"/inputs/{name}/path"):
        return str(reference)
    return value.get("path", value.get("value")) if isinstance(value, Mapping) else value


def log_and_output_paths(session: Session, run: Run) -> Json:
    """Return where the log and the outputs of a run are, and its default artifacts; nothing without its backend."""
    backend = open_backends(session).get(run.backend)
    if backend is None:
        return {}
    outputs = backend.outputs_path(run.id)
    artifacts = outputs / DEFAULT_ARTIFACTS
    files = sorted(path.relative_to(artifacts).as_posix() for path in artifacts.rglob("*") if path.is_file())
    paths: Json = {"log": str(backend.log_path(run.id)), "output_folder": str(outputs)}
    return {**paths, "artifacts": files} if files else paths
