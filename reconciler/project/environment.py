"""One environment as its file declares it: its lock, and its build on this machine."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.engine.builds import (
    EnvironmentToBuild,
    build_environment,
    choose_builder,
    environment_to_build,
    registered_environment,
)
from reconciler.engine.providers import Providers
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Op, State
from reconciler.model.builder import Built, ReportProgress
from reconciler.planning.builds import recorded_lock
from reconciler.planning.options import PlanOptions
from reconciler.project.plan import make_plan
from reconciler.project.providers import open_providers
from reconciler.project.session import Session

_KIND = "environment"


class LockedEnvironment(NamedTuple):
    """An environment with its lock, by which builder, and the path of its file from the root of the workspace."""

    address: Address
    builder: str
    lock: str
    source: str
    is_recorded: bool


def find_declared_environment(session: Session, argument: str) -> Address:
    """Return the address of a declared environment as it is typed, with or without its kind."""
    address = Address(_KIND, argument.removeprefix(f"{_KIND}/"))
    declared = session.read_assets().assets
    if address not in declared:
        names = [item.name for item in declared if item.kind == _KIND]
        hint = did_you_mean(address.name, names) or f"declared are: {', '.join(names) or 'none'}"
        raise user_error("address-unknown", f"{address} is not declared", hint)
    return address


def lock_environment(session: Session, state: State, address: Address, progress: ReportProgress) -> LockedEnvironment:
    """Return the lock of an environment as its file declares it: the recorded one, else that of a build made now."""
    providers = open_providers(session)
    environment = _declared_environment(session, providers, state, address)
    source = session.read_assets().assets[address].source
    builder = choose_builder(providers, environment)
    lock = recorded_lock(state, environment.fingerprint, [builder])
    text = lock if lock is not None else _build(providers, environment, builder, progress).lock
    return LockedEnvironment(address, builder, text, source, lock is not None)


def build_declared_environment(session: Session, state: State, address: Address, progress: ReportProgress) -> Built:
    """Return the build of an environment as its file declares it now; it is made if this machine does not have it."""
    providers = open_providers(session)
    environment = _declared_environment(session, providers, state, address)
    return _build(providers, environment, choose_builder(providers, environment), progress)


def _build(providers: Providers, environment: EnvironmentToBuild, builder: str, progress: ReportProgress) -> Built:
    return build_environment(providers, environment, builder, progress)


def _declared_environment(session: Session, providers: Providers, state: State, address: Address) -> EnvironmentToBuild:
    """Return an environment as apply would build it: what it has not registered yet is in the plan."""
    plan, _ = make_plan(session, state, PlanOptions(session.config, select=(str(address),)), refresh=False)
    planned = (action.resolved for action in plan.actions if action.op is Op.BUILD and action.address == address)
    if resolved := next(planned, None):
        if resolved.contents:
            message = f"the build context of {address}, as it is now, is not in the store"
            raise user_error("environment-not-built", message, "run `mlgit apply`, which stores and builds it")
        return environment_to_build(state, address, resolved.fingerprint, resolved.asset.spec)
    record = state.current.get(address)
    if record is None:
        raise user_error("environment-missing", f"{address} is not registered, and the plan refuses it")
    return registered_environment(providers, state, session.tree, record)
