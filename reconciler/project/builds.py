"""What the builder of mlgit.yml cannot do with the declared environments, at the line that says it.

Builders are imported only if there is an environment to check: one that is live as it is declared was built already.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.builders import BuildProblem, load_builder
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.rule_context import resolve_relative_path
from reconciler.format.yaml import parse_yaml
from reconciler.model import Asset, State, Tree

_CONDA_FILE = "conda_file"


def check_builds(builder_name: str, tree: Tree, declared: AssetSet, state: State | None = None) -> Iterator[Diagnostic]:
    """Yield what the builder cannot do with an environment; a warning if another machine may be able to do it."""
    assets = [asset for asset in declared.assets.values() if kind_of(asset).uses_builder and not _is_live(asset, state)]
    if not assets:
        return
    builder = load_builder(builder_name)
    for asset in assets:
        for problem in builder.check(asset.spec):
            severity = Severity.ERROR if problem.is_certain else Severity.WARNING
            message = f"{asset.address}: {problem.message}"
            yield Diagnostic(problem.code, message, _locate(tree, declared, asset, problem), problem.hint, severity)


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
