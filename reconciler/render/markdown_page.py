"""A page of Markdown in sections that fits a limit: what is least important is left out first, and how much of it said.

Sizes are in bytes of UTF-8, which are never fewer than the characters that some limits count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

COMMENT_LIMIT = 65_536  # characters of a comment on GitHub

_MARGIN = 50  # one part of so many stays free
_COUNT_ROOM = 40  # for the numbers in the lines that say what is folded and what is left out
_FEW_MORE = 5  # so many items are not worth a fold


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page: a title and items of one or more lines.

    ``lead`` and ``trail`` are the lines around the items, such as the header of a table; they are repeated in a fold.
    Of the items, ``unfolded`` are seen at once, the others after a click; None for all of them. Room is given by
    ``rank``, the lowest first; more than its ``share`` of the page a section gets only from what the others leave.
    ``noun`` names an item; a section whose items are nothing without each other has none, and is left out as a whole.
    """

    title: str
    items: tuple[str, ...]
    noun: str = ""
    lead: str = ""
    trail: str = ""
    rank: int = 0
    share: float = 1.0
    unfolded: int | None = None

    def render(self, count: int, elsewhere: str) -> str:
        """Return the section with its first items; ``elsewhere`` says where the others are."""
        left_out = len(self.items) - count
        if not count and not self.noun:
            return ""
        more = f"and {_count(left_out, f'more {self.noun}')} {elsewhere}" if left_out else ""
        shown = self._unfolded_count
        if not shown:
            return fold(self.title, self._block(self.items[:count], more))
        first, others = self.items[: min(shown, count)], self.items[shown:count]
        title = f"#### {self.title}" if self.title else ""
        if not others:
            return join_blocks([title, self._block(first, more)])
        rest = fold(_count(len(others), f"more {self.noun}"), self._block(others))
        return join_blocks([title, self._block(first), rest, more])

    @property
    def _unfolded_count(self) -> int:
        all_items = len(self.items)
        if self.unfolded is None or (self.unfolded and all_items <= self.unfolded + _FEW_MORE):
            return all_items
        return self.unfolded

    def _block(self, items: Sequence[str], more: str = "") -> str:
        lines = "\n".join(part for part in (self.lead, *items, self.trail) if part) if items else ""
        return join_blocks([lines, more])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fold(summary: str, content: str) -> str:
    """Return Markdown that is seen after a click on the summary, which is plain text of ours."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def join_blocks(blocks: Sequence[str]) -> str:
    """Return blocks of Markdown with a blank line between them, without the empty ones."""
    return "\n\n".join(filter(None, blocks))


def fit_page(head: Sequence[str], sections: Iterable[Section], foot: Sequence[str], limit: int, elsewhere: str) -> str:
    """Return a page within a limit in bytes, with a margin; the blocks of head and foot are there in any case."""
    sections = [section for section in sections if section.items]
    limit -= limit // _MARGIN
    sizes = [[0, *accumulate(_size(item) + 1 for item in section.items)] for section in sections]
    overheads = [_overhead(section, elsewhere) for section in sections]
    room = limit - sum(_size(block) + 2 for block in (*head, *foot)) - sum(overheads)
    counts = [0] * len(sections)
    by_rank = sorted(range(len(sections)), key=lambda index: sections[index].rank)
    for is_last in (False, True):
        for index in by_rank:
            used = sizes[index][counts[index]]
            most = room + used if is_last else min(room, int(sections[index].share * limit))
            counts[index] = max(counts[index], bisect_right(sizes[index], most) - 1)
            room -= sizes[index][counts[index]] - used
    rendered = [section.render(count, elsewhere) for section, count in zip(sections, counts, strict=True)]
    return join_blocks([*head, *rendered, *foot])


def _overhead(section: Section, elsewhere: str) -> int:
    """Return at most how many bytes a section has besides its items."""
    around = 2 * (_size(section.lead) + _size(section.trail) + 2)
    words = _size(section.title) + 2 * len(section.noun) + _size(elsewhere)
    return around + words + 2 * len(fold("", "")) + 2 * _COUNT_ROOM


def _size(text: str) -> int:
    return len(text.encode())
