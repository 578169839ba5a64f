"""Draw the assets that a plan changes, with what they refer to, as a Mermaid graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from reconciler.model import Json, Op
from reconciler.render.markdown_text import shorten_line

_MAX_NODES = 24
_MAX_EDGES = 60
_MAX_LABEL = 48
# A word, and single signs that mean nothing to Mermaid between its letters; all else is written as its number.
_PLAIN = re.compile(r"[A-Za-z0-9_]+(?:[ /-][A-Za-z0-9_]+)*")
_WITHOUT_IMPACT = frozenset({Op.UPDATE, Op.RENAME, Op.ARCHIVE, Op.DELETE, Op.CANCEL, Op.REPAIR})
_CLASSES: Mapping[str, frozenset[Op]] = {
    "removed": frozenset({Op.ARCHIVE, Op.DELETE, Op.CANCEL}),
    "run": frozenset({Op.SUBMIT}),
    "changed": frozenset({Op.UPDATE, Op.REPLACE, Op.RENAME, Op.REPAIR}),
}
# Colours that are read on a light and on a dark page.
_STYLES = {
    "added": "fill:#dafbe1,stroke:#1a7f37,color:#0a3069",
    "changed": "fill:#fff8c5,stroke:#9a6700,color:#0a3069",
    "removed": "fill:#ffebe9,stroke:#cf222e,color:#0a3069",
    "run": "fill:#ddf4ff,stroke:#0969da,color:#0a3069",
}


def draw_impact(actions: Sequence[Mapping[str, Json]]) -> tuple[str, int]:
    """Return the lines of a graph of the assets that a change of another one affects, and how many are not drawn.

    Without any, the graph is "".
    """
    by_address: dict[str, list[Mapping[str, Json]]] = {}
    versions: dict[str, set[str]] = {}  # those that the plan makes, and "" for any
    for action in actions:
        by_address.setdefault(action["address"], []).append(action)
        if action["action"] not in _WITHOUT_IMPACT:
            versions.setdefault(action["address"], {""}).add(action.get("version", ""))
    edges = list(dict.fromkeys(edge for action in actions for edge in _edges_to(action, versions)))
    linked = {address for edge in edges for address in edge}
    ranked = sorted((address for address in by_address if address in linked), key=lambda a: _rank(by_address[a]))
    drawn = set(ranked[:_MAX_NODES])
    shown = [(cause, dependent) for cause, dependent in edges if cause in drawn and dependent in drawn][:_MAX_EDGES]
    nodes = {address: f"n{index}" for index, address in enumerate(a for a in by_address if a in drawn)}
    if not shown:
        return "", 0
    lines = ["graph LR"]
    lines += (f'  {node}["{format_label(address)}"]:::{_class(by_address[address])}' for address, node in nodes.items())
    lines += (f"  {nodes[cause]} --> {nodes[dependent]}" for cause, dependent in shown)
    used = {_class(by_address[address]) for address in nodes}
    lines += (f"  classDef {name} {style}" for name, style in _STYLES.items() if name in used)
    return "\n".join(lines), len(linked) - len(drawn)


def _edges_to(action: Mapping[str, Json], versions: Mapping[str, AbstractSet[str]]) -> Iterable[tuple[str, str]]:
    """Yield the changed assets that an action follows from, each with its own."""
    dependent = action["address"]
    if action["action"] in _WITHOUT_IMPACT:
        return
    targets = [(action["known_after"], "")] if "known_after" in action else []
    references = (target.partition(" ")[0].partition("@") for target in action.get("references", {}).values())
    targets += [(cause, version) for cause, _, version in references]
    for cause, version in targets:
        if cause != dependent and version in versions.get(cause, ()):
            yield cause, dependent


def _class(actions: Sequence[Mapping[str, Json]]) -> str:
    ops = {Op(action["action"]) for action in actions}
    return next((name for name, members in _CLASSES.items() if ops & members), "added")


def _rank(actions: Sequence[Mapping[str, Json]]) -> int:
    """Return what is drawn first if not all fit: what starts runs, then what others follow from."""
    if _class(actions) == "run":
        return 0
    return 1 if any(action.get("impact") for action in actions) else 2


def format_label(address: str) -> str:
    """Return an address as the text of a node, in quotes: no character of it has a meaning for Mermaid."""
    short = shorten_line(address, _MAX_LABEL)
    plain = _PLAIN.match(short)
    end = plain.end() if plain else 0
    rest = (char if char.isascii() and char.isalnum() else f"#{ord(char)};" for char in short[end:])
    return short[:end] + "".join(rest)
