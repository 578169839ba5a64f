"""Render a lineage as a tree of text, as JSON and as a Mermaid graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.model import Json
from reconciler.model.lineage import Lineage, LineageEdge, LineageNode
from reconciler.render.mermaid import format_label
from reconciler.render.sanitize import sanitize_line

_Branches = Mapping[LineageNode, Sequence[tuple[LineageNode, str]]]  # the neighbours of a node, with their roles
_DATASTORES = "azureml://datastores/"
_INDENT = "     "
_ABOVE = "as above"


def format_lineage(lineage: Lineage) -> str:
    """Return a lineage as lines: ``<-`` is what a node was made with, ``->`` what was made with it.

    What was shown before is not followed again.
    """
    used = _branches(lineage.up)
    users = _branches(LineageEdge(edge.used, edge.node, edge.role) for edge in lineage.down)
    lines = [_line(lineage, lineage.start)]
    lines += _lines_below(lineage, "<-", used)
    lines += _lines_below(lineage, "->", users)
    return "\n".join(lines if len(lines) > 1 else [*lines, "  nothing else is recorded with it"])


def _lines_below(lineage: Lineage, arrow: str, branches: _Branches) -> Iterator[str]:
    """Yield the lines of one direction, depth first; a chain of retrained models can have any depth."""
    shown = {lineage.start}
    stack = [(child, role, "  ") for child, role in reversed(branches.get(lineage.start, ()))]
    while stack:
        node, role, indent = stack.pop()
        is_repeated = node in shown and node in branches
        yield f"{indent}{arrow} {_line(lineage, node, role, _ABOVE if is_repeated else '')}"
        if node not in shown:
            shown.add(node)
            deeper = indent + _INDENT
            stack += [(child, child_role, deeper) for child, child_role in reversed(branches.get(node, ()))]


def _branches(edges: Iterable[LineageEdge]) -> _Branches:
    branches: dict[LineageNode, list[tuple[LineageNode, str]]] = {}
    for node, used, role in dict.fromkeys(edges):
        branches.setdefault(node, []).append((used, role))
    return branches


def _line(lineage: Lineage, node: LineageNode, role: str = "", details: str = "") -> str:
    facts = details or lineage.details.get(node, "")
    return sanitize_line("  ".join(filter(None, (str(node), f"[{role}]" if role else "", facts))))


def lineage_to_json(lineage: Lineage) -> Json:
    """Return a lineage as a document: nodes by their text, and edges from what was made to what it was made with."""
    nodes = [
        {
            "name": str(node),
            "type": "place" if node.uri else "run" if node.is_run else "version",
            "address": node.uri or str(node.address),
            "version": node.version,
            "details": details,
        }
        for node, details in lineage.details.items()
    ]
    edges = [
        {"node": str(edge.node), "used": str(edge.used), "role": edge.role}
        for edge in dict.fromkeys((*lineage.up, *lineage.down))
    ]
    return {"start": str(lineage.start), "nodes": nodes, "edges": edges}


def draw_lineage(lineage: Lineage) -> str:
    """Return a lineage as a Mermaid graph, from what is used to what was made with it.

    Runs have round corners, places are cylinders.
    """
    names = {node: f"n{index}" for index, node in enumerate(lineage.details)}
    lines = ["graph LR"]
    for node, name in names.items():
        label = format_label(str(node).removeprefix(_DATASTORES))
        left, right = ("[(", ")]") if node.uri else ("([", "])") if node.is_run else ("[", "]")
        lines.append(f'  {name}{left}"{label}"{right}')
    edges = dict.fromkeys((*lineage.up, *lineage.down))
    lines += (f'  {names[edge.used]} -- "{format_label(edge.role)}" --> {names[edge.node]}' for edge in edges)
    return "\n".join(lines)
