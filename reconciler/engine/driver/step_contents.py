"""The contents of a step by JSON pointer: its files and those of its component, data, outputs of runs, and downloads.

Where they come from differs: they are stored when a run is submitted, and only looked up to forecast what is reused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Protocol

from reconciler.engine.task_inputs import input_references
from reconciler.format.pointers import find_value, split_pointer
from reconciler.model import LocalPath, ResolvedAsset, ResolvedReference, Step, VersionPath
from reconciler.model.content import Content

_CODE, _INCLUDES = "/code", "/additional_includes/"


class ContentSource(Protocol):
    """Where the contents of steps come from. Every method raises UserError for what cannot be had."""

    def of_path(self, path: LocalPath) -> Content:
        """Return the content behind a path of Git."""
        ...

    def of_version(self, path: VersionPath) -> Content:
        """Return a content of a registered version, such as the code of a component."""
        ...

    def of_data(self, reference: ResolvedReference, name: str) -> Content | str:
        """Return the content, or the URI, of what the input of a name refers to."""
        ...

    def of_output(self, reference: ResolvedReference) -> Content:
        """Return the output of another run."""
        ...

    def of_downloads(self, step: Step, job: ResolvedAsset) -> Mapping[str, Content]:
        """Return what the URLs in the inputs of a step stand for, by pointer."""
        ...

    def merge(self, parts: list[tuple[str, Content]]) -> Content:
        """Return one folder of several contents: each folder below its name, each file under its own."""
        ...


def step_contents(step: Step, job: ResolvedAsset, source: ContentSource) -> dict[str, Content | str]:
    """Return the contents of a step by pointer, and of data that has none the URI; what is included is in the code."""
    contents: dict[str, Content | str] = {path.pointer: source.of_path(path) for path in job.asset.paths}
    contents |= {pointer: source.of_version(path) for pointer, path in step.version_paths.items()}
    contents |= {pointer: source.of_output(item) for pointer, item in job.references.items() if item.output}
    contents |= {pointer: source.of_data(item, name) for pointer, (name, item) in input_references(job).items()}
    contents |= source.of_downloads(step, job)
    parts = {pointer: item for pointer, item in contents.items() if isinstance(item, Content)}
    includes = sorted(pointer for pointer in parts if pointer.startswith(_INCLUDES))
    if includes:
        code = [("", parts[_CODE])] if _CODE in parts else []
        contents[_CODE] = source.merge(
            [*code, *((_include_name(job, pointer), parts[pointer]) for pointer in includes)]
        )
    return contents


def _include_name(job: ResolvedAsset, pointer: str) -> str:
    """Return the name that an additional include has in the working directory."""
    local = next((path.path for path in job.asset.paths if path.pointer == pointer), "")
    return posixpath.basename(local or str(find_value(job.asset.spec, split_pointer(pointer))).rstrip("/"))


def without_bound_inputs(step: Step) -> ResolvedAsset:
    """Return the job of a step without what it reads from other steps."""
    asset = step.job.asset
    inputs = asset.spec.get("inputs") or {}
    spec = {**asset.spec, "inputs": {name: inputs[name] for name in inputs if name not in step.bindings}}
    return step.job._replace(asset=asset._replace(spec=spec))
