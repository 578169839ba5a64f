"""What counts of a conda file: what is installed, from where, and the variables; not its name, and no order but two.

The order of ``channels`` is their priority. The order of the list of pip counts if an option is among it: one such as
``--index-url`` is read before what follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model import Json

_COSMETIC = frozenset({"name", "prefix"})
_DEPENDENCIES, _PIP = "dependencies", "pip"


def canonical_conda_file(content: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a conda file without what makes no difference; what is no valid dependency stays as it is."""
    fields = {name: value for name, value in content.items() if name not in _COSMETIC}
    dependencies = fields.get(_DEPENDENCIES)
    if isinstance(dependencies, list | tuple) and all(map(_is_dependency, dependencies)):
        packages = sorted(entry for entry in dependencies if isinstance(entry, str))
        of_pip = (_canonical_pip_list(entry[_PIP]) for entry in dependencies if isinstance(entry, Mapping))
        fields[_DEPENDENCIES] = [*packages, *({_PIP: entries} for entries in of_pip)]
    return fields


def _is_dependency(entry: Json) -> bool:
    if isinstance(entry, Mapping):
        return set(entry) == {_PIP} and isinstance(entry[_PIP], list | tuple)
    return isinstance(entry, str)


def _canonical_pip_list(entries: Sequence[Json]) -> list[Json]:
    has_options = any(not isinstance(entry, str) or entry.lstrip().startswith("-") for entry in entries)
    return list(entries) if has_options else sorted(entries)
