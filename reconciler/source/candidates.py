"""Which files of a workspace may be assets: those that the globs of mlgit.yml include."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.format.ignore import parse_ignore_patterns
from reconciler.format.include import IncludeGlob
from reconciler.source.disk import YAML_SUFFIXES


def select_candidates(config: Config, paths: Iterable[str]) -> Iterator[tuple[str, IncludeGlob]]:
    """Yield those of the paths, given from the folder of the workspace, that may be assets.

    They come sorted, each with the last of the globs that match it.
    """
    include = [(parse_ignore_patterns([glob.pattern]), glob) for glob in config.include]
    exclude = parse_ignore_patterns(config.exclude)
    for path in sorted(paths):
        if not path.lower().endswith(YAML_SUFFIXES) or path == CONFIG_FILE or exclude.match_file(path):
            continue
        matches = [glob for patterns, glob in include if patterns.match_file(path)]
        if matches:
            yield path, matches[-1]
