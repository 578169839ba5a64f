"""The notes of a plan on data behind URIs: what has a mirror, what is downloaded or was, and where outputs are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.config.config import Config
from reconciler.format.assets import AssetSet
from reconciler.format.pointers import split_pointer
from reconciler.model import Action, Asset, FileReader, Op, Record, Reference, ResolvedAsset, State
from reconciler.planning.output_paths import output_notes
from reconciler.planning.subjects import Subject, runs_of, whole_subject
from reconciler.planning.uri_inputs import TargetLookup, UriInput, find_uri_inputs

_DIGEST_DIGITS = 10


def source_notes(
    files: FileReader, declared: AssetSet, actions: Iterable[Action], config: Config, state: State
) -> Iterator[str]:
    """Yield where the data behind URIs comes from, of the assets that a plan makes or changes."""
    changed = {action.address: action for action in actions if action.resolved and action.address in declared.assets}
    for address, action in changed.items():
        asset = declared.assets[address]
        for path in asset.paths:
            if "://" in path.text:
                shown = files.display_path(path.path)
                place = _place(declared, whole_subject(asset), path.pointer)
                yield f"{place}: {path.text} is {shown}, as mirrors: in mlgit.yml says"
        if action.op is Op.SUBMIT and action.resolved is not None:
            yield from _run_notes(declared, action.resolved, config, state)


def _run_notes(declared: AssetSet, resolved: ResolvedAsset, config: Config, state: State) -> Iterator[str]:
    """Yield where outputs are kept and what is downloaded for a run; what steps share, once."""
    jobs = [step.job for step in resolved.graph.steps.values()] if resolved.graph else [resolved]
    downloads: dict[str, str] = {}
    for job, subject in zip(jobs, runs_of(resolved.asset, resolved.graph), strict=True):
        yield from output_notes(declared, subject)
        find_target = _target_lookup(declared, job, state)
        for uri_input in find_uri_inputs(subject.asset, config, find_target, subject.stored):
            place = _place(declared, subject, uri_input.pointer)
            downloads.setdefault(_describe_download(uri_input, state), place)
    yield from (f"{place}: {text}" for text, place in downloads.items())


def _place(declared: AssetSet, subject: Subject, pointer: str) -> str:
    field = ".".join(split_pointer(pointer)).removesuffix(".path").removesuffix(".value")
    return f"{subject.asset.address}: {field} ({subject.span(declared, pointer)})"


def _describe_download(uri_input: UriInput, state: State) -> str:
    """Return what a run gets for a URL: the bytes that came first, or those that come now."""
    if download := state.find_download(uri_input.uri):
        digest = download.content.sha256[:_DIGEST_DIGITS]
        return f"{uri_input.uri} was downloaded at {download.downloaded_at}, and is used as it was (sha256 {digest}...)"
    source = "" if uri_input.source == uri_input.uri else f" from {uri_input.source}, as mirrors: in mlgit.yml says,"
    return f"{uri_input.uri} is downloaded{source} once, and stands for what comes from then on"


def _target_lookup(declared: AssetSet, resolved: ResolvedAsset, state: State) -> TargetLookup:
    def find_target(reference: Reference) -> Asset | Record | None:
        target = resolved.references.get(reference.pointer)
        if target is None:
            return None
        return state.find_version(target.address, target.version) or declared.assets.get(target.address)

    return find_target
