"""Kinds and globs of addresses in mlgit.yml: one that can match no address is misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.document import Document
from reconciler.format.kinds import kinds
from reconciler.format.pointers import find_value, join_pointer
from reconciler.format.suggest import did_you_mean

_GLOB_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def check_patterns(document: Document) -> Iterator[Diagnostic]:
    """Yield the globs under ``protect:``, ``drift:``, ``builder:`` and so on that can match nothing."""
    for glob, span in _patterns(document):
        if not can_match_address(glob):
            message = f"{glob} can match no asset: an address is KIND/NAME"
            yield Diagnostic("pattern-unmatched", message, span, _hint(glob))


def _patterns(document: Document) -> Iterator[tuple[str, Span]]:
    """Yield each pattern of addresses with its position; a kind alone stands for all of its addresses."""
    for index, glob in enumerate(find_value(document.data, ["protect"]) or ()):
        yield glob, document.value_span(join_pointer("protect", index))
    for glob in find_value(document.data, ["drift"]) or ():
        yield f"{glob}/*" if glob in kinds() else glob, document.key_span(join_pointer("drift", glob))
    builder = find_value(document.data, ["builder"])
    for glob in builder if isinstance(builder, dict) else ():
        yield glob, document.key_span(join_pointer("builder", glob))
    for field in ("imports", "verify"):
        for glob in find_value(document.data, [field]) or ():
            yield glob, document.key_span(join_pointer(field, glob))
    for index, entry in enumerate(find_value(document.data, ["moved"]) or ()):
        yield from ((entry[key], document.value_span(join_pointer("moved", index, key))) for key in ("from", "to"))


def can_match_address(glob: str) -> bool:
    """Return True if there can be an address that a glob matches; the names of assets may be anything."""
    tokens = _GLOB_TOKEN.findall(glob)
    fixed = tokens[: tokens.index("*")] if "*" in tokens else tokens
    return any(
        all(fnmatchcase(character, token) for character, token in zip(f"{kind}/", fixed, strict=False))
        and (len(fixed) < len(tokens) or len(tokens) > len(kind) + 1)
        for kind in kinds()
    )


def _hint(glob: str) -> str:
    kind = glob.partition("/")[0]
    if kind in kinds():
        return f"write {kind}/* for all of them, or {kind}/NAME"
    return did_you_mean(kind, kinds()) or f"kinds: {', '.join(kinds())}"
