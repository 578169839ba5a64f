"""The nodes of JSON values, and what is put in their place to damage a live state."""

from __future__ import annotations

import copy

VALUES = (
    *(None, True, 0, -1, 2.5, 10**400, "", "x", "a/b", "../../x", "line\n::error::x", "\ud800", "x" * 5000),
    *([], [None], [[]], {}, {"": 1}, {"a": None}, {"md5": 1}, {"md5": "../../x"}, {"a": {"b": []}}),
)


def paths_of(value, path=()):
    """Yield the path of each node of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths_of(item, (*path, key))


def replaced(value, path, new):
    """Return a JSON value with another node at a path."""
    if not path:
        return new
    value = copy.deepcopy(value)
    node = value
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = new
    return value
