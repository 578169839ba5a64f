"""A read-only view of a mapping with some values replaced or added and some keys removed."""

from __future__ import annotations

from collections.abc import Container, ItemsView, Iterator, Mapping, ValuesView
from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Overlay(Mapping[_K, _V], Generic[_K, _V]):
    """The values of ``overrides``, else those of ``base`` that are not ``removed``; keys are in order if base's are.

    A lookup reads one value of the base, ``items()`` and ``values()`` read all of them at once. The overrides and the
    removed keys are not copied: the view follows their changes.
    """

    __slots__ = ("_base", "_overrides", "_removed")

    def __init__(self, base: Mapping[_K, _V], overrides: Mapping[_K, _V], removed: Container[_K] = ()) -> None:
        self._base, self._overrides, self._removed = base, overrides, removed

    def __getitem__(self, key: _K) -> _V:
        """Return the value of a key."""
        if key in self._overrides:
            return self._overrides[key]
        if key in self._removed:
            raise KeyError(key)
        return self._base[key]

    def __contains__(self, key: object) -> bool:
        """Return True if there is a value for the key, without reading it."""
        return key in self._overrides or (key not in self._removed and key in self._base)

    def __iter__(self) -> Iterator[_K]:
        """Yield the keys; if the overrides add some, all are sorted."""
        keys = [key for key in self._base if key in self._overrides or key not in self._removed]
        added = self._overrides.keys() - set(keys) if self._overrides else ()
        return iter(sorted([*keys, *added])) if added else iter(keys)  # type: ignore[type-var]

    def __len__(self) -> int:
        """Return the number of keys."""
        return sum(1 for _ in self)

    def items(self) -> ItemsView[_K, _V]:
        """Return keys and values, all read at once."""
        return self._read_all().items()

    def values(self) -> ValuesView[_V]:
        """Return the values, all read at once."""
        return self._read_all().values()

    def _read_all(self) -> Mapping[_K, _V]:
        values = {**dict(self._base.items()), **self._overrides}
        return {key: values[key] for key in self}
