"""What the builders of mlgit.yml cannot do with the declared environments, at the line that says it.

Builders are imported only if there is an environment to check: one that is live as it is declared was built already,
and one without problems is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.builders import BUILDERS, load_builder
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.rule_context import resolve_relative_path
from reconciler.format.yaml import parse_yaml
from reconciler.model import Asset, FileReader, Json, State
from reconciler.model.builder import BuildProblem
from reconciler.source.cache import Cache, entry_key

Builders = Mapping[str, Mapping[str, Json]]  # the settings of mlgit.yml by name

_CONDA_FILE = "conda_file"


def check_builds(
    files: FileReader, declared: AssetSet, builders: Builders, cache: Cache | None, state: State | None = None
) -> Iterator[Diagnostic]:
    """Yield why no builder can build an environment; a warning if another machine may be able to do it.

    With several builders, it is what the first one cannot do. A builder that is not installed is reported where
    mlgit.yml is checked.
    """
    if not all(BUILDERS.has(str(settings["type"])) for settings in builders.values()):
        return
    for asset in declared.assets.values():
        if kind_of(asset).uses_builder and not _is_live(asset, state):
            for problem in _find_problems(cache, builders, asset):
                severity = Severity.ERROR if problem.is_certain else Severity.WARNING
                span = _locate(files, declared, asset, problem)
                yield Diagnostic(problem.code, f"{asset.address}: {problem.message}", span, problem.hint, severity)


def _find_problems(cache: Cache | None, builders: Builders, asset: Asset) -> tuple[BuildProblem, ...]:
    """Return what the first builder cannot do, if no builder can; the cache remembers an environment without."""
    key = entry_key("build", dict(builders), asset.spec)
    if cache and cache.find_entry(key) is not None:
        return ()
    by_builder = [tuple(load_builder(settings).check(asset.spec)) for settings in builders.values()]
    able = (problems for problems in by_builder if not any(problem.is_certain for problem in problems))
    problems = next(able, by_builder[0])
    if cache and not problems:
        cache.store_entries({key: ""})
    return problems


def _is_live(asset: Asset, state: State | None) -> bool:
    record = state.current.get(asset.address) if state is not None else None
    return record is not None and record.spec == asset.spec


def _locate(files: FileReader, declared: AssetSet, asset: Asset, problem: BuildProblem) -> Span:
    """Return the span of a problem: in the conda file, if the environment names one, else in its own file."""
    document = declared.documents[asset.source]
    name = document.data.get(_CONDA_FILE)
    prefix = f"/{_CONDA_FILE}"
    if not isinstance(name, str) or not problem.pointer.startswith(prefix):
        return document.value_span(problem.pointer)
    path = resolve_relative_path(asset.source, name.removeprefix("file:"))
    conda_file, _ = parse_yaml(files.display_path(path), files.read_file(path))
    return conda_file.value_span(problem.pointer.removeprefix(prefix))
