"""The build of an environment as an action: with which builders, and how its packages differ, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.model import Action, Op, Record, ResolvedAsset, State
from reconciler.planning.builders import choose_builders, describe_choices
from reconciler.planning.decision import make_action
from reconciler.planning.packages import diff_locks
from reconciler.planning.resolve import PlanContext


def make_build(  # noqa: PLR0913, PLR0917 - what is built, for whom, and where it comes from
    context: PlanContext,
    environment: ResolvedAsset,
    record: Record | None,
    version: str,
    find_backends: Callable[[], Iterable[str]],
    origin: str = "",
) -> Action:
    """Return the build of an environment; ``find_backends`` finds those of its jobs, if that makes a difference."""
    candidates = context.check_support(environment.asset, True).candidates
    asks_backends = candidates.has_choice or candidates.makes_images
    backends = tuple(dict.fromkeys(filter(None, find_backends()))) if asks_backends else ()
    choices = choose_builders(candidates, backends)
    if not candidates.has_choice:
        choices = tuple(choice._replace(backends=backends) for choice in choices)
    reason = describe_choices(choices, context.plan_options.config.builders)
    reason = f"{reason}, {origin}" if origin else reason
    action = make_action(context, Op.BUILD, environment, record, version=version, reason=reason)
    names = [choice.builder for choice in choices]
    before = lock_before(context.state, action, names)
    after = recorded_lock(context.state, environment.fingerprint, names)
    packages = diff_locks(before, after) if before is not None and after is not None else None
    return action._replace(builders=choices, packages=packages)


def lock_before(state: State, build: Action, builders: Iterable[str]) -> str | None:
    """Return the recorded lock of the version that a build replaces; None if there is none, or if it is the same."""
    if build.record is None or build.resolved is None or build.record.fingerprint == build.resolved.fingerprint:
        return None
    return recorded_lock(state, build.record.fingerprint, builders)


def recorded_lock(state: State, fingerprint: str, builders: Iterable[str]) -> str | None:
    """Return the recorded lock of an environment by the first of some builders that has one; None if there is none."""
    builds = state.find_builds(fingerprint) if fingerprint else {}
    names = (name for builder in builders for name in builds if name.partition(" (")[0] == builder)
    return next((str(builds[name].get("lock", "")) for name in names), None)
