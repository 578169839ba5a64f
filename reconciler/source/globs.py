"""The globs of mlgit.yml that select asset files; the local cache remembers them as regular expressions.

Translating a glob takes pathspec, which takes longer to import than all else that a small workspace needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.format.ignore import IgnorePatterns, parse_ignore_patterns
from reconciler.format.include import IncludeGlob
from reconciler.source.cache import Cache, entry_key
from reconciler.source.parsed_file import DECODE_ERRORS


class FileGlobs(NamedTuple):
    """The globs that include and exclude asset files; paths are relative to the workspace."""

    include: tuple[tuple[IgnorePatterns, IncludeGlob], ...]
    exclude: IgnorePatterns

    def find_include(self, path: str) -> IncludeGlob | None:
        """Return the last of the globs that include a file; None if there is none, or if the file is excluded."""
        if self.exclude.match_file(path):
            return None
        return next((glob for patterns, glob in reversed(self.include) if patterns.match_file(path)), None)


def load_file_globs(config: Config, cache: Cache | None) -> FileGlobs:
    """Return the globs of a configuration."""
    patterns = _load_patterns([*([glob.pattern] for glob in config.include), config.exclude], cache)
    return FileGlobs(tuple(zip(patterns[:-1], config.include, strict=True)), patterns[-1])


def _load_patterns(lines: Sequence[Sequence[str]], cache: Cache | None) -> list[IgnorePatterns]:
    """Return the patterns of groups of lines, from the cache if it has them."""
    key = entry_key("globs", lines)
    with suppress(*DECODE_ERRORS, KeyError, re.error):
        if cache and (value := cache.find_entry(key)):
            groups = json.loads(value)["patterns"]
            return [IgnorePatterns(tuple((re.compile(text), bool(flag)) for text, flag in group)) for group in groups]
    patterns = [parse_ignore_patterns(group) for group in lines]
    if cache:
        groups = [[(pattern.pattern, ignores) for pattern, ignores in group.patterns] for group in patterns]
        cache.store_entries({key: json.dumps({"patterns": groups})})
    return patterns
