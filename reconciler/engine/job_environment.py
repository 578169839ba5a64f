"""The environment of a job or a step, built in a form that its backend accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.builds import (
    EnvironmentToBuild,
    build_environment,
    choose_builder,
    environment_to_build,
    new_builds,
    registered_environment,
)
from reconciler.engine.usable import check_usable
from reconciler.model import Action, ResolvedAsset
from reconciler.model.content import Content
from reconciler.model.tasks import Environment
from reconciler.planning.environments import CONTEXT_POINTER, ENVIRONMENT_POINTER, new_pin
from reconciler.state.store import WriteBatch

_OWN_CONTEXT = CONTEXT_POINTER.removeprefix(ENVIRONMENT_POINTER)


class JobEnvironment(NamedTuple):
    """The environment of a run: how it is built, who built what, its fingerprint, and what to record of the build.

    ``name`` is the version that the job names, or the address of what it writes itself.
    """

    environment: Environment
    identity: str
    fingerprint: str
    writes: WriteBatch
    name: str


def build_job_environment(
    context: ActionContext,
    action: Action,
    resolved: ResolvedAsset,
    backend: str,
    contents: Mapping[str, Content | str],
) -> JobEnvironment:
    """Return the environment of a job of an action, built in a form that the backend accepts.

    ``contents`` are those of the job by pointer, among them the build context of an environment that it writes itself.
    """
    environment = _find_environment(context, resolved, contents)
    builder = choose_builder(context.providers, environment, backend)
    built = build_environment(context.providers, environment, builder, context.progress_reporter(action))
    builds = new_builds(environment, builder, built)
    if builds:
        check_usable(context, action, environment, builder, built, [backend])
    pins = new_pin(resolved.environment.asset) if resolved.environment else {}
    writes = WriteBatch(builds=builds, pins=pins)
    return JobEnvironment(built.environment, built.identity, environment.fingerprint, writes, _name_of(resolved))


def _name_of(resolved: ResolvedAsset) -> str:
    reference = resolved.references.get(ENVIRONMENT_POINTER)
    return str(resolved.environment.asset.address if resolved.environment and reference is None else reference)


def _find_environment(
    context: ActionContext, resolved: ResolvedAsset, contents: Mapping[str, Content | str]
) -> EnvironmentToBuild:
    """Return the environment that a job names or writes itself; raises UserError if there is none."""
    if implicit := resolved.environment:
        build_context = contents.get(CONTEXT_POINTER)
        own = {_OWN_CONTEXT: build_context} if isinstance(build_context, Content) else {}
        asset = implicit.asset
        return environment_to_build(context.state, asset.address, implicit.fingerprint, asset.spec, own)
    reference = resolved.references.get(ENVIRONMENT_POINTER)
    if reference is None:
        message = f"{resolved.asset.address} names no environment that this workspace declares"
        raise user_error("environment-form", message, "declare the environment in a file and write azureml:NAME@latest")
    record = context.state.find_version(reference.address, reference.version)
    if record is None:
        raise user_error("environment-missing", f"{reference} is not registered")
    return registered_environment(context.providers, context.state, context.tree, record)
