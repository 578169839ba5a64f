"""Ask the providers of mlgit.yml what they support of an asset; ``planning.support`` compares and explains.

A plug-in's table is known without its code. A builder's own check is imported only for an environment that is about to
be built: one without problems is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.backends import BACKENDS
from reconciler.builders import BUILDERS, load_builder
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.format.assets import AssetSet, kind_of
from reconciler.model import Asset, FileReader
from reconciler.model.plugins import Plugin
from reconciler.model.support import Support
from reconciler.planning.compute import COMPUTE_POINTER, compute_name
from reconciler.planning.file_checks import check_runs, check_supported
from reconciler.planning.support import (
    OWN_SUPPORT,
    SupportCheck,
    SupportProblem,
    SupportReport,
    check_support,
    with_own_problems,
)
from reconciler.source.cache import Cache, entry_key


def make_support_check(config: Config, cache: Cache | None) -> SupportCheck:
    """Return the check of the providers that mlgit.yml names for one target."""
    return _Providers(config, cache).check


def support_diagnostics(  # noqa: PLR0913, PLR0917 - what is checked, with whom, and where to remember it
    files: FileReader,
    declared: AssetSet,
    assets: Collection[Asset],
    configs: Iterable[Config],
    cache: Cache | None,
    reported: Sequence[Diagnostic] = (),
) -> tuple[Diagnostic, ...]:
    """Return what the providers of some targets refuse and ignore of assets, as far as files tell.

    What is ``reported`` already at the same place is left out.
    """
    diagnostics: list[Diagnostic] = []
    for config in _distinct_bindings(configs):
        diagnostics += check_runs(declared, assets, config, reported)
        diagnostics += check_supported(files, declared, assets, make_support_check(config, cache))
    return tuple(dict.fromkeys(diagnostics))


def _bindings(config: Config) -> list[Any]:
    """Return the settings of a target on which it depends who realises an asset."""
    backends = {name: dict(settings) for name, settings in config.backends.items()}
    return [config.builder, backends, dict(config.compute)]


def _distinct_bindings(configs: Iterable[Config]) -> Iterator[Config]:
    """Yield the configurations that differ in who realises an asset."""
    yield from {json.dumps(_bindings(config), sort_keys=True): config for config in configs}.values()


@dataclass(slots=True)
class _Providers:
    """The providers of one target. Plug-ins that are not installed are reported where mlgit.yml is checked."""

    config: Config
    cache: Cache | None
    loaded: dict[tuple[str, str], Plugin | None] = field(default_factory=dict)

    def check(self, asset: Asset, asks_provider: bool) -> SupportReport:  # noqa: FBT001 - a SupportCheck
        """Return what the provider of an asset does not support, and what it ignores."""
        try:
            name, remedy, support = self._provider_of(asset)
        except UserError as error:  # a plug-in that cannot be used stops only what needs it
            pointer = COMPUTE_POINTER if kind_of(asset).is_runnable else ""
            problems = (SupportProblem(pointer, item.code, item.message, item.hint) for item in error.diagnostics)
            return SupportReport(problems=tuple(problems))
        if support is None:
            return SupportReport()
        report = check_support(asset, support, name, remedy)
        if not (asks_provider and kind_of(asset).uses_builder):
            return report
        return with_own_problems(report, self._find_build_problems(asset), name)

    def _provider_of(self, asset: Asset) -> tuple[str, str, Support | None]:
        """Return who realises an asset, what to do instead of changing it, and a table; no table if nobody does."""
        kind, config = kind_of(asset), self.config
        if not kind.is_supported(asset.spec):
            return "", "", None
        if kind.uses_builder:
            return f"the {config.builder} builder", "use another builder", self._table("builder", config.builder)
        if not (kind.uses_backend or kind.is_runnable):
            return "mlgit", "see docs/support.md", OWN_SUPPORT
        name = config.backend_of(asset.address.name if kind.uses_backend else compute_name(asset))
        type_name = config.backends[name]["type"] if name in config.backends else ""
        provider = f"backend {name}" if name == type_name else f"backend {name} ({type_name})"
        return provider, "bind its compute to another backend", self._table("backend", type_name)

    def _table(self, noun: str, name: str) -> Support | None:
        key = (noun, name)
        if key not in self.loaded:
            registry: Any = {"builder": BUILDERS, "backend": BACKENDS}[noun]
            self.loaded[key] = registry.load(name) if name and registry.has(name) else None
        plugin = self.loaded[key]
        return plugin.support if plugin else None

    def _find_build_problems(self, asset: Asset) -> tuple[SupportProblem, ...]:
        """Return what the builder itself cannot do; the cache remembers an environment without problems."""
        key = entry_key("build", self.config.builder, asset.spec)
        if self.cache and self.cache.find_entry(key) is not None:
            return ()
        problems = tuple(
            SupportProblem(problem.pointer, problem.code, problem.message, problem.hint, problem.is_certain)
            for problem in load_builder(self.config.builder).check(asset.spec)
        )
        if self.cache and not problems:
            self.cache.store_entries({key: ""})
        return problems
