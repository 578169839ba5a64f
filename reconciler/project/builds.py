"""What the builder of mlgit.yml cannot do with the declared environments, at the line that says it.

Builders are imported only if there is an environment to check: one that is live as it is declared was built already,
and one without problems is remembered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from reconciler.builders import BuildProblem, load_builder
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.rule_context import resolve_relative_path
from reconciler.format.yaml import parse_yaml
from reconciler.model import Asset, State, Tree
from reconciler.project.session import Session
from reconciler.source.cache import Cache

_CONDA_FILE = "conda_file"


def check_builds(session: Session, declared: AssetSet, state: State | None = None) -> Iterator[Diagnostic]:
    """Yield what the builder cannot do with an environment; a warning if another machine may be able to do it."""
    for asset in declared.assets.values():
        if kind_of(asset).uses_builder and not _is_live(asset, state):
            for problem in _find_problems(session.workspace.cache, session.config.builder, asset):
                severity = Severity.ERROR if problem.is_certain else Severity.WARNING
                span = _locate(session.tree, declared, asset, problem)
                yield Diagnostic(problem.code, f"{asset.address}: {problem.message}", span, problem.hint, severity)


def _find_problems(cache: Cache, builder_name: str, asset: Asset) -> tuple[BuildProblem, ...]:
    """Return what the builder cannot do; the cache remembers an environment without problems."""
    key = hashlib.sha256(json.dumps(["build", builder_name, asset.spec]).encode()).hexdigest()
    if cache.find_entry(key) is not None:
        return ()
    problems = tuple(load_builder(builder_name).check(asset.spec))
    if not problems:
        cache.store_entries({key: ""})
    return problems


def _is_live(asset: Asset, state: State | None) -> bool:
    record = state.current.get(asset.address) if state is not None else None
    return record is not None and record.spec == asset.spec


def _locate(tree: Tree, declared: AssetSet, asset: Asset, problem: BuildProblem) -> Span:
    """Return the span of a problem: in the conda file, if the environment names one, else in its own file."""
    document = declared.documents[asset.source]
    name = document.data.get(_CONDA_FILE)
    prefix = f"/{_CONDA_FILE}"
    if not isinstance(name, str) or not problem.pointer.startswith(prefix):
        return document.value_span(problem.pointer)
    path = resolve_relative_path(asset.source, name.removeprefix("file:"))
    conda_file, _ = parse_yaml(tree.display_path(path), tree.read_file(path))
    return conda_file.value_span(problem.pointer.removeprefix(prefix))
