"""What the files of a tree declare together; a file is parsed again only if a position in it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reconciler.format.assets import AssetSet, LoadedFile, build_asset_set
from reconciler.format.document import Document
from reconciler.format.yaml import parse_yaml
from reconciler.model import Tree
from reconciler.source.parsed_file import ParsedFile


def assemble_asset_set(
    tree: Tree, parsed_files: Iterable[ParsedFile], overridden: LoadedFile | None = None
) -> AssetSet:
    """Return what the files of a tree declare together; ``overridden`` counts instead of the file at its path."""
    path = overridden.path if overridden else ""
    return build_asset_set(
        (
            overridden if overridden and parsed.path == path else _to_loaded_file(tree, parsed)
            for parsed in parsed_files
        ),
        tree,
    )


def _to_loaded_file(tree: Tree, parsed: ParsedFile) -> LoadedFile:
    def load() -> Document:
        return parse_yaml(parsed.display_path, tree.read_file(parsed.path))[0]

    document = _LazyDocument(parsed.display_path, load)
    return LoadedFile(
        parsed.path, document, None, parsed.asset, parsed.diagnostics, parsed.address, faulty=parsed.faulty
    )


class _LazyDocument(Document):
    """A document that is parsed when its data or text is asked for, which for most documents never happens."""

    __slots__ = ("_load",)

    def __init__(self, path: str, load: Callable[[], Document]) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_load", load)

    def __getattr__(self, name: str) -> Any:
        if name not in {"data", "text", "unparsed"}:
            raise AttributeError(name)
        document = self._load()
        object.__setattr__(self, "data", document.data)
        object.__setattr__(self, "text", document.text)
        object.__setattr__(self, "unparsed", document.unparsed)
        return getattr(document, name)
