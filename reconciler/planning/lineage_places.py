"""Places outside of the workspace in a lineage: what runs read from URIs of their jobs, and wrote to datastores.

A place is one node for each content that was there, so that a run leads to the run that wrote what it has read, and to
no other one. What mlgit did not bring or write itself (``mode: direct``) has no content: it is the place only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.format.pointers import join_pointer, split_pointer
from reconciler.model import DRIVER, Address, Json, Record, Run, RunStatus, StepRun
from reconciler.model.content import Content
from reconciler.model.lineage import LineageEdge, LineageNode
from reconciler.model.runs import UNWRITTEN
from reconciler.planning.data_places import DATASTORE_KIND, Datastores
from reconciler.planning.output_paths import direct_uris
from reconciler.planning.uri_inputs import is_direct
from reconciler.secrets.urls import mask_url_secrets

_NO_ADDRESS = Address("", "")
_PATH = "path"


def read_places(run: Run, datastores: Datastores) -> Iterator[tuple[LineageEdge, int]]:
    """Yield the places that a run read, each with its size in bytes, 0 if that is not known."""
    node = LineageNode(run.address, run.id, is_run=True)
    downloads: Mapping[str, Mapping[str, Json]] = run.realised.get("downloads", {})
    for pointer, download in sorted(downloads.items()):
        place = make_place(str(download["url"]), Content.from_json(download), datastores)
        yield LineageEdge(node, place, _role(pointer)), int(download["size"])
    inputs = run.spec.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        pointer = join_pointer("inputs", name, _PATH)
        reference = run.references.get(pointer)
        is_version = reference is not None and reference.address.kind != DATASTORE_KIND
        if pointer in downloads or is_version or not isinstance(value, Mapping) or not is_direct(value):
            continue
        if "://" in str(value.get(_PATH)):
            yield LineageEdge(node, make_place(str(value[_PATH]), None, datastores), _role(pointer)), 0


def written_places(run: Run, steps: Iterable[StepRun], datastores: Datastores) -> Iterator[tuple[LineageEdge, int]]:
    """Yield the places that a run or its steps wrote, each with its size in bytes, 0 if that is not known."""
    node = LineageNode(run.address, run.id, is_run=True)
    outputs = [(f"output {name}", output) for name, output in run.outputs.items()]
    for step in steps:
        is_own = not step.reused_from  # the run that it was reused from wrote it
        outputs += [(f"{step.step}, output {name}", output) for name, output in step.outputs.items()] if is_own else []
    for role, output in outputs:
        if "md5" in (output or ()) and _PATH in output and UNWRITTEN not in output:
            content, path = Content.from_json(output), str(output[_PATH])
            path += content.name if path.endswith("/") and not content.is_folder else ""
            if datastores.find_place(path):
                yield LineageEdge(make_place(path, content, datastores), node, role), content.size
    if run.status is RunStatus.COMPLETED and run.backend != DRIVER:
        for name, uri in direct_uris(run.spec, run.id).items():
            yield LineageEdge(make_place(uri, None, datastores), node, f"output {name}"), 0


def registered_place(item: Record | Run, datastores: Datastores) -> LineageNode | None:
    """Return the place that a version was registered from, None if it was from none."""
    location = item.realised.get("locations", {}).get("/path") if isinstance(item, Record) else None
    return make_place(str(location["uri"]), None, datastores) if location else None


def make_place(uri: str, content: Content | None, datastores: Datastores) -> LineageNode:
    """Return the node of a place: the same however its URI is written."""
    place = datastores.find_place(uri)
    text = f"azureml://datastores/{place.datastore}/paths/{place.path}" if place else mask_url_secrets(uri)
    return LineageNode(_NO_ADDRESS, content.sha256 if content else "", uri=text)


def _role(pointer: str) -> str:
    return ".".join(split_pointer(pointer)[:-1])
