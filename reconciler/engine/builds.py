"""Environments that are built: which builder makes one, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.engine.contents import ensure_version_content
from reconciler.engine.providers import Providers
from reconciler.format.yaml import parse_yaml
from reconciler.model import EMPTY_MAPPING, LOCK_POINTER, Address, Builds, Record, Spec, State, Tree
from reconciler.model.builder import Built, LockFile, ReportProgress
from reconciler.model.content import Content


class EnvironmentToBuild(NamedTuple):
    """An environment as it is declared, and its builds so far: one is built again from the lock of the first.

    ``context`` is its build context in the store, ``lock`` the lock that mlgit.yml binds to it; None if it has none.
    """

    address: Address
    fingerprint: str
    spec: Spec
    builds: Builds
    context: Content | None = None
    lock: Content | None = None


_CONTEXT_POINTER = "/build/path"


def environment_to_build(
    state: State, address: Address, fingerprint: str, spec: Spec, contents: Mapping[str, Content] = EMPTY_MAPPING
) -> EnvironmentToBuild:
    """Return an environment with the builds that the live state has of it, and its contents in the store by pointer."""
    builds = state.find_builds(fingerprint)
    return EnvironmentToBuild(
        address, fingerprint, spec, builds, contents.get(_CONTEXT_POINTER), contents.get(LOCK_POINTER)
    )


def registered_environment(providers: Providers, state: State, tree: Tree, record: Record) -> EnvironmentToBuild:
    """Return a version of an environment, its build context restored from Git if the store has lost it."""
    ensure_version_content(providers, tree, record)
    recorded = record.realised.get("contents", {})
    contents = {pointer: Content.from_json(content) for pointer, content in recorded.items()}
    return environment_to_build(state, record.address, record.fingerprint, record.spec, contents)


def choose_builder(providers: Providers, environment: EnvironmentToBuild, backend: str = "") -> str:
    """Return the name of the builder of an environment, for runs of a backend.

    It is the first that can build it, as in the plan. If none can, the first one is returned, which says why. Raises
    UserError ``environment-form`` if no builder makes what the backend accepts.
    """
    allowed = providers.config.builders_of(environment.address)
    names = [name for name in allowed if not backend or providers.is_accepted(name, backend)]
    if not names:
        message = f"no builder of mlgit.yml makes environments that the backend {backend} accepts"
        raise user_error("environment-form", message, "add one to builders:, or bind the compute to another backend")
    if len(names) == 1:
        return names[0]
    return next((name for name in names if providers.can_build(name, environment.address, environment.spec)), names[0])


def build_environment(
    providers: Providers, environment: EnvironmentToBuild, builder_name: str, report_progress: ReportProgress
) -> Built:
    """Return an environment as a builder has built it; with a recorded lock of its variant, exactly as it was.

    A build that is not recorded yet counts only if it can import what mlgit.yml names: else raises UserError.
    """
    builder = providers.builders[builder_name]
    providers.note_use(environment.fingerprint)
    built = builder.find(environment.fingerprint) or _build(providers, environment, builder_name, report_progress)
    modules = providers.config.imports_of(environment.address)
    if modules and new_builds(environment, builder_name, built):
        report_progress(f"importing {', '.join(modules)}")
        if failure := builder.try_imports(built, modules):
            message = f"{environment.address}: what {builder_name} built cannot import {failure}"
            hint = "add the package that has the module to the environment, or correct imports: in mlgit.yml"
            raise user_error("imports-failed", message, hint)
    return built


def _build(
    providers: Providers, environment: EnvironmentToBuild, builder_name: str, report_progress: ReportProgress
) -> Built:
    builder = providers.builders[builder_name]
    address, fingerprint, spec, builds = (
        str(environment.address),
        environment.fingerprint,
        environment.spec,
        environment.builds,
    )
    plan = builder.plan(address, fingerprint, spec)
    if lock := str(builds.get(build_key(builder_name, plan.variant), {}).get("lock", "")):
        plan = builder.plan(address, fingerprint, spec, lock)
    elif environment.lock:
        file = _read_lock_file(providers, environment.address, environment.lock)
        report_progress(f"using the lock {file.path}")
        lock = builder.accept_lock(plan, file)
        plan = builder.plan(address, fingerprint, spec, lock)
    return builder.build(replace(plan, context=environment.context), providers.store, report_progress)


def _read_lock_file(providers: Providers, address: Address, content: Content) -> LockFile:
    """Return the lock in the store that an environment is bound to, with its path as mlgit.yml has it."""
    (file,) = providers.store.manifest(content)
    with providers.store.open(file.digest) as stream:
        raw = stream.read()
    is_yaml = content.name.endswith((".yml", ".yaml", "pixi.lock"))
    document = parse_yaml(content.name, raw)[0].data if is_yaml else None
    path = providers.config.locks.get(str(address), content.name)
    return LockFile(path, raw.decode("utf-8", "replace"), document)


def new_builds(environment: EnvironmentToBuild, builder_name: str, built: Built) -> Mapping[str, Builds]:
    """Return what is to be recorded of a build, by fingerprint: nothing if one of its variant is recorded."""
    key = build_key(builder_name, built.variant)
    return {} if key in environment.builds else {environment.fingerprint: {key: built.to_json()}}


def build_key(builder_name: str, variant: str) -> str:
    """Return the key of the builds of a variant, which is part of the name: ``venv (Python 3.11 instead of 3.8)``."""
    return f"{builder_name} ({variant})" if variant else builder_name
