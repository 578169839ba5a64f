"""Trace the lineage of a version or a run through the live state. Pure: the state is read by the functions it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from reconciler.abbreviation import abbreviate_id, format_size
from reconciler.format.pointers import split_pointer
from reconciler.model import DRIVER, Record, ResolvedReference, Run, State
from reconciler.model.content import Content
from reconciler.model.datastores import Identity
from reconciler.model.lineage import Lineage, LineageEdge, LineageNode
from reconciler.planning.data_places import Datastores
from reconciler.planning.lineage_places import make_place, read_places, registered_place, written_places

ReadEverything = Callable[[], Iterable[Record | Run]]
"""Reads every version and every run of the live state."""

_MODEL_PATH = ("path",)


class _Graph:
    """What is known of a graph while it is traced: the items and the places found, and on demand all that is live."""

    def __init__(self, state: State, datastores: Datastores, read_everything: ReadEverything) -> None:
        self.items: dict[LineageNode, Record | Run | None] = {}
        self.sizes: dict[LineageNode, int] = {}
        self.contents: tuple[LineageEdge, ...] = ()  # from the place where the trace starts to what was there
        self.versions: tuple[tuple[LineageEdge, Record | Run], ...] = ()  # that were registered from that place
        self._state = state
        self._datastores = datastores
        self._read_everything = read_everything

    @cached_property
    def everything(self) -> tuple[Record | Run, ...]:
        """Every version and every run."""
        return tuple(self._read_everything())

    @cached_property
    def writers(self) -> Mapping[LineageNode, Sequence[LineageEdge]]:
        """The edges to the runs that wrote a place, by place."""
        writers: dict[LineageNode, list[LineageEdge]] = {}
        for run in (item for item in self.everything if isinstance(item, Run)):
            for edge in self.written_by(run):
                writers.setdefault(edge.node, []).append(edge)
        return writers

    def used_by(self, item: Record | Run) -> Iterator[LineageEdge]:
        """Yield what an item was made with: what it refers to, and the places that it read."""
        node = node_of(item)
        for pointer, reference in sorted(item.references.items()):
            yield LineageEdge(node, _target(reference), _role(pointer, reference))
        if isinstance(item, Run):
            yield from self._with_sizes(read_places(item, self._datastores))

    def reused_by(self, item: Record | Run) -> Iterator[LineageEdge]:
        """Yield the runs whose steps a run reuses."""
        return _reused_runs(self._state, item) if isinstance(item, Run) else iter(())

    def written_by(self, run: Run) -> Iterator[LineageEdge]:
        """Yield the places that a run wrote; steps are read of a run that has some."""
        steps = self._state.find_steps(run.id) if run.backend == DRIVER else ()
        return self._with_sizes(written_places(run, steps, self._datastores))

    def _with_sizes(self, found: Iterable[tuple[LineageEdge, int]]) -> Iterator[LineageEdge]:
        for edge, size in found:
            self.sizes[edge.node if edge.node.uri else edge.used] = size
            yield edge


def trace_lineage(  # noqa: PLR0913 - each direction by itself
    state: State,
    start: Record | Run,
    datastores: Datastores,
    read_everything: ReadEverything,
    *,
    up: bool = True,
    down: bool = True,
) -> Lineage:
    """Return the lineage of a version or a run: what it was made of if ``up``, what was made of it if ``down``.

    What is not recorded any more is a node without edges. Everything is read only for what was made of something, and
    for who wrote a place.
    """
    graph = _Graph(state, datastores, read_everything)
    graph.items[node_of(start)] = start
    return _trace(state, graph, [node_of(start)], up=up, down=down)


def trace_place(  # noqa: PLR0913 - each direction by itself
    state: State,
    uri: str,
    datastores: Datastores,
    read_everything: ReadEverything,
    *,
    up: bool = True,
    down: bool = True,
) -> Lineage | None:
    """Return the lineage of what was at a URI, None if no run has read or written it and no version names it.

    Where several contents were there, or versions were registered from it, it starts at the place, which leads to them.
    """
    graph = _Graph(state, datastores, read_everything)
    place = make_place(uri, None, datastores)
    runs = [item for item in graph.everything if isinstance(item, Run)]
    read = {edge.used for run in runs for edge in graph.used_by(run)}
    contents = sorted(node for node in read | graph.writers.keys() if node.uri == place.uri and node.version)
    versions = [item for item in graph.everything if registered_place(item, datastores) == place]
    if not contents and not versions and place not in read | graph.writers.keys():
        return None
    if contents and len(contents) == 1 and not versions and place not in read | graph.writers.keys():
        place = contents.pop()
    graph.items |= dict.fromkeys([place, *contents])
    graph.contents = tuple(LineageEdge(place, content, "content") for content in contents)
    graph.versions = tuple((LineageEdge(node_of(version), place, "path"), version) for version in versions)
    return _trace(state, graph, [place, *contents], up=up, down=down)


def _trace(state: State, graph: _Graph, starts: Sequence[LineageNode], *, up: bool, down: bool) -> Lineage:
    above = (*graph.contents, *_trace_up(state, graph, starts)) if up else ()
    reverted = (edge._replace(node=edge.used, used=edge.node) for edge in graph.contents)
    below = (*reverted, *_trace_down(graph, starts)) if down else ()
    details = {node: _describe(graph, node, item) for node, item in graph.items.items()}
    return Lineage(starts[0], above, below, details)


def node_of(item: Record | Run) -> LineageNode:
    """Return the node of a version or a run."""
    if isinstance(item, Run):
        return LineageNode(item.address, item.id, is_run=True)
    return LineageNode(item.address, item.version)


def _trace_up(state: State, graph: _Graph, starts: Iterable[LineageNode]) -> Iterator[LineageEdge]:
    """Yield what some items were made of, and what that was made of, nearest first."""
    waiting: list[Record | Run | LineageNode] = [graph.items[node] or node for node in starts]
    for item in waiting:  # grows while it is read
        if isinstance(item, LineageNode):
            edges = list(graph.writers.get(item, ()))
        else:
            edges = [*graph.used_by(item), *graph.reused_by(item)]
        for edge in edges:
            yield edge
            if edge.used not in graph.items:
                found = None if edge.used.uri else _find_item(state, edge.used)
                graph.items[edge.used] = found
                waiting += [edge.used] if edge.used.uri else [found] if found is not None else []


def _trace_down(graph: _Graph, starts: Iterable[LineageNode]) -> Iterator[LineageEdge]:
    """Yield what was made of some items, and of that, nearest first."""
    users: dict[LineageNode, list[tuple[LineageEdge, Record | Run | None]]] = {}
    for user in graph.everything:
        for edge in graph.used_by(user):
            users.setdefault(edge.used, []).append((edge, user))
    for edge in chain.from_iterable(graph.writers.values()):
        users.setdefault(edge.used, []).append((edge, None))
    for edge, version in graph.versions:
        users.setdefault(edge.used, []).append((edge, version))
    waiting = list(starts)
    seen = {*waiting}
    for node in waiting:
        for edge, item in users.get(node, ()):
            yield edge
            graph.items.setdefault(edge.node, item)
            if edge.node not in seen:
                seen.add(edge.node)
                waiting.append(edge.node)


def _target(reference: ResolvedReference) -> LineageNode:
    return LineageNode(reference.address, reference.version, is_run=bool(reference.output))


def _role(pointer: str, reference: ResolvedReference) -> str:
    """Return how an item uses a reference: the field that has it, or the output that it is."""
    parts = tuple(split_pointer(pointer))
    output = "/".join(filter(None, (reference.output, reference.path)))
    named = parts[:-1] if len(parts) > 1 and parts[-1:] == _MODEL_PATH else parts
    if not output:
        return ".".join(named)
    return f"output {output}" if parts == _MODEL_PATH else f"{'.'.join(named)}, output {output}"


def _reused_runs(state: State, run: Run) -> Iterator[LineageEdge]:
    """Yield the runs of the same job that steps of a run were reused from."""
    steps: dict[str, list[str]] = {}
    for step in state.find_steps(run.id):
        if step.reused_from:
            steps.setdefault(step.reused_from.partition("/")[0], []).append(step.step)
    for run_id, names in steps.items():
        yield LineageEdge(node_of(run), LineageNode(run.address, run_id, is_run=True), f"reused {', '.join(names)}")


def _find_item(state: State, node: LineageNode) -> Record | Run | None:
    if node.is_run:
        return state.find_run(node.address, node.version)
    record = state.find_version(node.address, node.version) if node.version else None
    return record or state.current.get(node.address)


def _describe(graph: _Graph, node: LineageNode, item: Record | Run | None) -> str:
    """Return the facts about an item in one line; a compute without a file was never recorded."""
    if node.uri:
        if node.version:
            return format_size(graph.sizes[node])
        is_registered = any(edge.used == node for edge, _ in graph.versions)
        has_contents = any(edge.node == node for edge in graph.contents)
        return "" if has_contents or is_registered else "read or written by the command itself"
    if item is None:
        return "not recorded any more" if node.version else "not recorded"
    facts = _run_facts(item) if isinstance(item, Run) else _version_facts(item)
    return ", ".join(filter(None, facts))


def _run_facts(run: Run) -> Iterator[str]:
    yield run.status.label
    yield run.ended_at or run.submitted_at
    yield f"commit {abbreviate_id(run.commit)}" if run.commit else ""


def _version_facts(record: Record) -> Iterator[str]:
    content, location = (record.realised.get(name, {}).get("/path") for name in ("contents", "locations"))
    yield record.source
    yield f"commit {abbreviate_id(record.lineage['commit'])}" if record.lineage.get("commit") else ""
    if content:
        stored = Content.from_json(content)
        yield f"{format_size(stored.size)}, sha256 {abbreviate_id(stored.sha256)}"
    elif location:
        yield f"{location['uri']}, {Identity.from_json(location)}"
    yield "archived" if record.archived else ""
