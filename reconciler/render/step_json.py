"""The steps of a run as JSON, for `mlgit job show`."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model import Json, Run, StepRun
from reconciler.render.plan_json import run_to_json

_OF_THE_RUN = ("run", "job", "commit", "experiment")  # the same for all steps, or their own name


def step_to_json(run: Run, step: StepRun) -> Json:
    """Return a step of a run without what is the same for all; the caller masks the secrets of the run's variables."""
    child = {name: value for name, value in run_to_json(step.as_run(run)).items() if name not in _OF_THE_RUN}
    own = {
        "step": step.step,
        "child_run": step.run,
        "reused_from": step.reused_from,
        "reason": step.reason,
        "best": step.is_best or None,
        "component": step.component,
        "environment": {"identity": step.environment} if step.environment else {},
        "needs": list(step.needs),
        "inputs": dict(step.inputs),
    }
    named = {name: value for name, value in own.items() if value not in ("", None, [], {})}
    if not step.attempt:
        child.pop("attempt", None)
    return {"step": step.step, **child, **named}


def step_details_to_json(run: Run, step: StepRun) -> Json:
    """Return a step as a run of its own, which is called RUN/STEP; the caller masks secrets."""
    own = run_to_json(replace(step.as_run(run), id=f"{run.id}/{step.step}"))
    commit = {"commit": run.commit} if run.commit else {}
    return {"run": own["run"], "job": own["job"], "parent": run.id, **commit, **step_to_json(run, step)}
