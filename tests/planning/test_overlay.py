"""The overlay of mappings: what it holds, in which order, and what it reads of the mapping below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Overlay

_MAPPINGS = st.dictionaries(st.integers(0, 9), st.text(max_size=2)).map(lambda values: dict(sorted(values.items())))


class _Watched(Mapping[int, str]):
    """A mapping that notes which values are looked up."""

    def __init__(self, values: Mapping[int, str]) -> None:
        self.values_by_key, self.lookups = values, list[int]()

    def __getitem__(self, key: int) -> str:
        self.lookups.append(key)
        return self.values_by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self.values_by_key

    def __iter__(self) -> Iterator[int]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


@given(_MAPPINGS, _MAPPINGS, st.frozensets(st.integers(0, 9)))
def test_an_overlay_equals_the_merged_dictionary_in_order(base, overrides, removed):
    merged = {key: value for key, value in base.items() if key not in removed} | overrides
    overlay = Overlay(base, overrides, removed)
    assert list(overlay.items()) == sorted(merged.items())
    assert (list(overlay), len(overlay)) == (sorted(merged), len(merged))
    assert [overlay.get(key) for key in range(10)] == [merged.get(key) for key in range(10)]
    assert [key for key in range(10) if key in overlay] == sorted(merged)


def test_a_lookup_reads_one_value_of_the_base_and_membership_none():
    base = _Watched({1: "a", 2: "b", 3: "c"})
    overlay = Overlay(base, {2: "B"}, {3})
    assert (1 in overlay, 3 in overlay, [*overlay]) == (True, False, [1, 2])
    assert base.lookups == []
    assert (overlay[1], overlay[2]) == ("a", "B")
    assert base.lookups == [1]
    with pytest.raises(KeyError):
        overlay[3]


def test_an_overlay_follows_changes_of_its_overrides_and_removals():
    overrides, removed = dict[int, str](), set[int]()
    overlay = Overlay({1: "a"}, overrides, removed)
    removed.add(1)
    assert dict(overlay) == {}
    overrides[1] = "b"
    assert dict(overlay) == {1: "b"}
