"""Ask the providers of mlgit.yml what they support of an asset; ``planning.support`` compares and explains.

A plug-in's table is known without its code. A builder's own check is imported only for an environment that is about to
be built: one without problems is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.backends import BACKENDS
from reconciler.builders import BUILDERS, load_builder
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.format.assets import AssetSet, kind_of
from reconciler.model import EMPTY_MAPPING, Address, Asset, Json
from reconciler.model.plugins import BackendPlugin, BuilderPlugin, Form, Plugin
from reconciler.model.support import Support
from reconciler.planning.bindings import has_own_provider
from reconciler.planning.builders import BuilderCandidates, BuilderVerdict, choose_builder
from reconciler.planning.clusters import describe_exposure
from reconciler.planning.compute import COMPUTE_POINTER, compute_name
from reconciler.planning.environments import ENVIRONMENT_FIELD, ENVIRONMENT_POINTER, implicit_environment
from reconciler.planning.file_checks import check_runs, check_supported, declared_computes
from reconciler.planning.pinning import pinning_notes
from reconciler.planning.support import (
    OWN_SUPPORT,
    SupportCheck,
    SupportNote,
    SupportProblem,
    SupportReport,
    check_support,
    with_environment_report,
    with_own_notes,
    with_own_problems,
)
from reconciler.planning.unknown_fields import ignore_unknown_fields
from reconciler.project.backend_lookup import make_backend_lookup
from reconciler.project.datastore_support import check_datastore
from reconciler.project.planner_support import check_by_planner, is_realised
from reconciler.source.cache import Cache, entry_key


def make_support_check(config: Config, cache: Cache | None) -> SupportCheck:
    """Return the check of the providers that mlgit.yml names for one target."""
    return _Providers(config, cache).check


def support_diagnostics(
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
        computes = declared_computes(declared, config, make_backend_lookup(config))
        diagnostics += check_supported(declared, assets, make_support_check(config, cache), computes)
    return tuple(dict.fromkeys(diagnostics))


def _bindings(config: Config) -> list[Any]:
    """Return the settings of a target on which it depends who realises an asset."""
    backends = {name: dict(settings) for name, settings in config.backends.items()}
    builders = {name: dict(settings) for name, settings in config.builders.items()}
    datastores = {name: dict(settings) for name, settings in config.datastores.items()}
    return [builders, backends, dict(config.compute), dict(config.builder), datastores, config.secrets]


def _distinct_bindings(configs: Iterable[Config]) -> Iterator[Config]:
    """Yield the configurations that differ in who realises an asset."""
    yield from {json.dumps(_bindings(config), sort_keys=True): config for config in configs}.values()


_FOREIGN_CODES = frozenset({"builder-cannot", "not-supported"})


@dataclass(slots=True)
class _Providers:
    """The providers of one target. Plug-ins that are not installed are reported where mlgit.yml is checked."""

    config: Config
    cache: Cache | None
    loaded: dict[tuple[str, str], Plugin | None] = field(default_factory=dict)
    reports: dict[tuple[Address, bool], tuple[Asset, SupportReport]] = field(default_factory=dict)
    asked: dict[str, tuple[tuple[SupportProblem, ...], tuple[SupportNote, ...]]] = field(default_factory=dict)

    def check(self, asset: Asset, asks_provider: bool) -> SupportReport:  # noqa: FBT001 - a SupportCheck
        """Return what the provider of an asset does not support, and what it ignores; each is asked once."""
        key = (asset.address, asks_provider)
        known = self.reports.get(key)
        if known is None or known[0] != asset:
            known = self.reports[key] = (asset, self._check(asset, asks_provider=asks_provider))
        return known[1]

    def _check(self, asset: Asset, *, asks_provider: bool) -> SupportReport:
        kind = kind_of(asset)
        if kind.is_runnable and (own := check_by_planner(asset)):
            return own
        if not is_realised(asset):
            return SupportReport()
        try:
            if kind.uses_builder or kind.provider:
                is_built = kind.uses_builder
                return self._check_builders(asset, asks_provider=asks_provider) if is_built else self._check_own(asset)
            if kind.uses_backend or kind.is_runnable:
                compute = asset.address.name if kind.uses_backend else compute_name(asset)
                report = self._check_on_backend(asset, self.config.backend_of(compute))
                report = ignore_unknown_fields(report, kind.name) if kind.is_runnable else report
                return self._with_environment(asset, report, asks_provider=asks_provider)
        except UserError as error:  # a plug-in that cannot be used stops only what needs it
            pointer = COMPUTE_POINTER if kind.is_runnable else ""
            problems = (SupportProblem(pointer, item.code, item.message, item.hint) for item in error.diagnostics)
            return SupportReport(problems=tuple(problems))
        return check_support(asset, OWN_SUPPORT, "mlgit", "see docs/support.md")

    def _check_own(self, asset: Asset) -> SupportReport:
        """Return what mlgit supports of an asset that it realises itself; a provider of mlgit.yml has no table."""
        is_own = has_own_provider(self.config, asset.address.kind)
        return check_datastore(asset, self.config) if is_own else SupportReport()

    def _with_environment(self, job: Asset, report: SupportReport, *, asks_provider: bool) -> SupportReport:
        """Return what a backend says of a job, with what a builder says of the environment that no file declares."""
        backend = self.config.backend_of(compute_name(job))
        environment = implicit_environment(job)
        problems = tuple(self._find_form_problem(job, backend))
        if environment is None or problems:
            return report._replace(problems=(*report.problems, *problems))
        checked = self._check_builders(environment, backend, asks_provider=asks_provider)
        return with_environment_report(report, checked, job)

    def _check_on_backend(self, asset: Asset, name: str) -> SupportReport:
        """Return what a backend, by its name in mlgit.yml, supports of a job or a compute."""
        settings = self.config.backends.get(name, EMPTY_MAPPING)
        type_name = str(settings.get("type", ""))
        if (plugin := self._plugin("backend", type_name)) is None:
            return SupportReport()
        provider, support = _label("backend", name, type_name), plugin.support_with(settings)
        report = check_support(asset, support, provider, "bind its compute to another backend")
        notes = self._notes_on_submissions(name) if kind_of(asset).is_runnable else self._notes_on_cluster(asset)
        return report._replace(notes=(*report.notes, *notes))

    def _notes_on_cluster(self, compute: Asset) -> Iterator[SupportNote]:
        """Yield who can reach a cluster that is made."""
        if exposure := describe_exposure(self.config, compute):
            yield SupportNote(exposure, ("/type",))

    def _notes_on_submissions(self, name: str) -> Iterator[SupportNote]:
        """Yield what only the submission of a run tells, as a plan asks no backend."""
        settings = self.config.backends[name]
        plugin = self._plugin("backend", str(settings["type"]))
        for setting, clause in plugin.checked_at_submission.items() if isinstance(plugin, BackendPlugin) else ():
            if settings.get(setting):
                text = f"{clause} ({setting}: of the backend {name}) is checked when a run is submitted"
                yield SupportNote(text, (COMPUTE_POINTER,))

    def _find_form_problem(self, job: Asset, backend: str) -> Iterator[SupportProblem]:
        """Yield that no builder makes what a backend accepts."""
        accepts = self._accepted_forms(backend)
        forms = {self._produced_form(name) for name in self.config.builders}
        if job.spec.get(ENVIRONMENT_FIELD) and accepts is not None and None not in forms and accepts.isdisjoint(forms):
            message = f"no builder of mlgit.yml makes environments that the backend {backend} accepts"
            hint = "add one to builders:, or bind the compute to another backend"
            yield SupportProblem(ENVIRONMENT_POINTER, "environment-form", message, hint)

    def _check_builders(self, asset: Asset, backend: str = "", *, asks_provider: bool) -> SupportReport:
        """Return what the builder of an environment says of it; if none can, what the one says that is nearest to it.

        ``backend`` is that of the job that writes the environment itself, "" for one that is declared.
        """
        names = self.config.builders_of(asset.address)
        reports = {
            name: self._check_builder(asset, name, self.config.builders[name], asks_provider=asks_provider)
            for name in names
            if name in self.config.builders
        }
        candidates = self._candidates(names, reports)
        accepts = candidates.accepts.get(backend)
        accepted = [item.builder for item in candidates.verdicts if accepts is None or item.produces in accepts]
        choice = choose_builder(candidates, backend)
        nearest = min(accepted or reports, key=lambda name: _count_foreign(reports[name]), default="")
        name = choice.builder if choice else nearest
        return reports.get(name, SupportReport())._replace(candidates=candidates, by_builder=reports)

    def _candidates(self, names: Sequence[str], reports: Mapping[str, SupportReport]) -> BuilderCandidates:
        verdicts = (
            BuilderVerdict(name, form, next((item.message for item in report.problems if item.is_certain), ""))
            for name, report in reports.items()
            if (form := self._produced_form(name)) is not None
        )
        accepts = {name: forms for name in self.config.backends if (forms := self._accepted_forms(name)) is not None}
        return BuilderCandidates(tuple(verdicts), accepts, len(names) < len(self.config.builders))

    def _produced_form(self, builder: str) -> Form | None:
        plugin = self._plugin("builder", str(self.config.builders[builder]["type"]))
        return plugin.produces if isinstance(plugin, BuilderPlugin) else None

    def _accepted_forms(self, backend: str) -> frozenset[Form] | None:
        """Return which forms of environments a backend accepts, None if it is not known or cannot be imported."""
        settings = self.config.backends.get(backend)
        try:
            plugin = self._plugin("backend", str(settings["type"])) if settings else None
        except UserError:  # it stops only the jobs that run there
            return None
        return plugin.accepts if isinstance(plugin, BackendPlugin) else None

    def _check_builder(
        self, asset: Asset, name: str, settings: Mapping[str, Json], *, asks_provider: bool
    ) -> SupportReport:
        type_name = str(settings["type"])
        support = self._table("builder", type_name)
        if support is None:
            return SupportReport()
        provider = f"the {name} builder" if name == type_name else f"the builder {name} ({type_name})"
        report = check_support(asset, support, provider, "use another builder")
        if not asks_provider:
            return report
        problems, notes = self._ask_builder(asset, settings)
        uses_image = all(item.pointer != "/image" for item in report.ignored)
        lock = self.config.locks.get(str(asset.address), "")
        pinning = (SupportNote(*note) for note in pinning_notes(asset.spec, uses_image=uses_image, lock=lock))
        return with_own_notes(with_own_problems(report, problems, provider), (*notes, *pinning))

    def _table(self, noun: str, name: str) -> Support | None:
        """Return the table of a plug-in, None if there is none of that name."""
        plugin = self._plugin(noun, name)
        return plugin.support if plugin else None

    def _plugin(self, noun: str, name: str) -> Plugin | None:
        key = (noun, name)
        if key not in self.loaded:
            registry: Any = {"builder": BUILDERS, "backend": BACKENDS}[noun]
            self.loaded[key] = registry.load(name) if name and registry.has(name) else None
        return self.loaded[key]

    def _ask_builder(
        self, asset: Asset, settings: Mapping[str, Json]
    ) -> tuple[tuple[SupportProblem, ...], tuple[SupportNote, ...]]:
        """Return what a builder cannot do, and its notes; the cache remembers an environment without problems."""
        key = entry_key("builder", dict(settings), asset.spec)
        if key not in self.asked:
            self.asked[key] = self._ask_or_remember(key, asset, settings)
        return self.asked[key]

    def _ask_or_remember(
        self, key: str, asset: Asset, settings: Mapping[str, Json]
    ) -> tuple[tuple[SupportProblem, ...], tuple[SupportNote, ...]]:
        remembered = self.cache.find_entry(key) if self.cache else None
        if remembered is not None:
            return (), tuple(
                SupportNote(text, tuple(pointers), usual) for text, pointers, usual in json.loads(remembered)
            )
        problems, notes = _ask_builder(settings, asset)
        if self.cache and not problems:
            self.cache.store_entries({key: json.dumps(notes)})
        return problems, notes


def _ask_builder(
    settings: Mapping[str, Json], asset: Asset
) -> tuple[tuple[SupportProblem, ...], tuple[SupportNote, ...]]:
    """Return what a builder cannot do, and its notes; raises UserError ``builder-broken`` if it fails."""
    try:
        builder = load_builder(settings)
        return (
            tuple(
                SupportProblem(
                    *(problem.pointer, problem.code, problem.message, problem.hint, problem.is_certain),
                    settings=problem.settings,
                )
                for problem in builder.check(asset.spec)
            ),
            tuple(SupportNote(note.text, note.pointers, note.is_usual) for note in builder.notes(asset.spec)),
        )
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise BUILDERS.failed_error(str(settings["type"]), error) from error


def _count_foreign(report: SupportReport) -> int:
    """Return how many problems a builder has with an environment because it makes none of this type."""
    return sum(problem.is_certain and problem.code in _FOREIGN_CODES for problem in report.problems)


def _label(noun: str, name: str, type_name: str) -> str:
    """Return a provider as messages name it: by its name in mlgit.yml, with its type if that is another."""
    return f"{noun} {name}" if name == type_name else f"{noun} {name} ({type_name})"
