"""What is known of a run for a comparison: its data with sizes, the files of its code, its packages, its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from reconciler.diagnostics import UserError
from reconciler.format.include import IncludeGlob
from reconciler.format.load import load_assets
from reconciler.format.pointers import find_value, split_pointer
from reconciler.model import Asset, LocalPath, ResolvedReference, Run, State, StepRun, Tree
from reconciler.model.content import Content
from reconciler.planning.content import has_content, local_path_digest, tracked_content
from reconciler.planning.jobs.sources import ComponentVersion
from reconciler.planning.run_comparison import DataVersion, Files, RunFacts
from reconciler.planning.steps import recorded_job, with_steps
from reconciler.project.recorded_builds import locked_packages
from reconciler.project.run_environment import find_run_environment
from reconciler.project.state_session import StateSession
from reconciler.project.steps import read_steps
from reconciler.source.disk import YAML_SUFFIXES
from reconciler.source.workspace import tree_at_revision

_INPUTS = "inputs"


def read_run_facts(session: StateSession, state: State, run: Run) -> RunFacts:
    """Return what is known of a run, from the live state and from the commit that it was submitted from."""
    tree, asset = _find_declaration(session, state, run)
    facts = _facts(state, run, tree, asset.paths if asset else ())
    return replace(facts, steps=read_steps(session, state, run))


def read_step_facts(session: StateSession, state: State, parent: Run, step: StepRun, run: Run) -> RunFacts:
    """Return what is known of the run of a step: that of the command that its node is, with the data that it got.

    Where its pipeline cannot be read as a graph of steps, what it recorded of the step is compared.
    """
    tree, asset = _find_declaration(session, state, parent)
    recorded = recorded_job(parent, "")
    recorded = recorded._replace(asset=asset) if asset else recorded
    graph = with_steps(recorded, partial(_find_component, state), state.find_pin).graph
    path = step.step.rpartition(".")[0] if step.is_trial else step.step
    node = graph.steps.get(path) if graph else None
    if node is None:
        return RunFacts(replace(run, spec=parent.spec), step=step)
    job = node.job
    params = step.params or run.params
    own = replace(run, spec=job.asset.spec, contents=job.contents, references=job.references, params=params)
    facts = _facts(state, own, tree, job.asset.paths)
    bound = {
        f"/inputs/{name}/path": DataVersion(f"output {output}", str(step.inputs.get(name, "")))
        for name, output in node.bindings.items()
    }
    return replace(facts, data={**facts.data, **bound})


def _find_component(state: State, reference: ResolvedReference) -> ComponentVersion | None:
    record = state.find_version(reference.address, reference.version)
    if record is None:
        return None
    return ComponentVersion(record.address, record.version, record.spec, record.contents, record.references)


def _facts(state: State, run: Run, tree: Tree | None, paths: Iterable[LocalPath]) -> RunFacts:
    environment = find_run_environment(state, run)
    build = environment.build if environment else None
    packages = locked_packages(build) if build else None
    known = {path.pointer: path for path in paths if tree and _has_content(run, tree, path)}
    code = {pointer: _files(tree, path) for pointer, path in known.items() if tree and not _is_input(pointer)}
    data = dict(_data_versions(state, run, tree, known))
    return RunFacts(run, data, code, environment.name if environment else "", packages)


def _is_input(pointer: str) -> bool:
    return _INPUTS in split_pointer(pointer)


def _find_declaration(session: StateSession, state: State, run: Run) -> tuple[Tree | None, Asset | None]:
    """Return the commit of a run and its job there; None for what Git does not have."""
    workspace = session.workspace
    commit = workspace.repository.resolve(run.commit) if run.commit else ""
    if not commit:
        return None, None
    try:
        tree = tree_at_revision(workspace, commit)[1]
        for file in _candidate_files(state, run, tree):
            glob = IncludeGlob("**", mirrors=session.config.mirrors)
            if asset := load_assets(tree, [(file, glob)]).assets.get(run.address):
                return tree, asset
    except UserError:  # objects that a partial clone does not have
        return None, None
    return tree, None


def _candidate_files(state: State, run: Run, tree: Tree) -> Iterator[str]:
    """Yield the files that may declare the job of a run; the commit of an experiment has only what the run reads."""
    record = state.current.get(run.address)
    names = [record.source] if record else []
    names += [f"{run.address.name}{suffix}" for suffix in YAML_SUFFIXES]
    yield from (path for name in names if (path := f"{tree.root}{name}") in tree.entries)
    if run.experiment:
        yield from (path for path in tree.entries if path.endswith(tuple(YAML_SUFFIXES)))


def _has_content(run: Run, tree: Tree, path: LocalPath) -> bool:
    return has_content(tree, path.path) and local_path_digest(tree, path) == run.contents.get(path.pointer)


def _files(tree: Tree, path: LocalPath) -> Files:
    return {name: f"{entry.mode:o} {entry.oid}" for name, entry in tracked_content(tree, path.path).files}


def _data_versions(
    state: State, run: Run, tree: Tree | None, local_paths: Mapping[str, LocalPath]
) -> Iterator[tuple[str, DataVersion]]:
    """Yield the pointer and the version of the data of each input that is more than a literal value."""
    downloads: Mapping[str, Mapping[str, object]] = run.realised.get("downloads", {})
    for pointer in dict.fromkeys((*run.references, *run.contents, *downloads)):
        if not _is_input(pointer):
            continue
        text = str(find_value(run.spec, split_pointer(pointer)) or "")
        reference = run.references.get(pointer)
        if pointer in downloads:
            yield pointer, _content_version(text, Content.from_json(downloads[pointer]))
        elif reference is not None:
            yield pointer, _content_version(str(reference), _reference_content(state, reference))
        else:
            yield pointer, _local_version(text, run.contents[pointer], tree, local_paths.get(pointer))


def _content_version(version: str, content: Content | None) -> DataVersion:
    return DataVersion(version, content.sha256, content.size, content.files) if content else DataVersion(version)


def _reference_content(state: State, reference: ResolvedReference) -> Content | None:
    """Return the content of a version or of the output of a run, None if it is not recorded or only a part is meant."""
    if reference.output:
        run = state.find_run(reference.address, reference.version)
        document = run.outputs.get(reference.output) if run and not reference.path else None
        return Content.from_json(document) if document and "md5" in document else None
    record = state.find_version(reference.address, reference.version)
    contents = list(record.realised.get("contents", {}).values()) if record else []
    return Content.from_json(contents[0]) if len(contents) == 1 else None


def _local_version(text: str, digest: str, tree: Tree | None, path: LocalPath | None) -> DataVersion:
    if tree is None or path is None or tree.blob_size is None:
        return DataVersion(text, digest)
    content = tracked_content(tree, path.path)
    if content.dvc:
        return DataVersion(text, digest, content.dvc.size, content.dvc.files)
    files = content.files
    return DataVersion(text, digest, sum(tree.blob_size(entry.oid) for _, entry in files), len(files))
