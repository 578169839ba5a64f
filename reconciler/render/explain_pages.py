"""Parse docs/diagnostics.md: the meaning of each diagnostic code and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from reconciler.package_files import data_folder

_SECTION_PATTERN = re.compile(r"^## ([a-z0-9-]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ExplainPage:
    """The documentation of one diagnostic code, in Markdown."""

    code: str
    body: str

    @property
    def meaning(self) -> str:
        """Return the first paragraph, which explains the error."""
        return self.body.partition("\n\n")[0].replace("\n", " ")

    @property
    def summary(self) -> str:
        """Return the first sentence, without its full stop."""
        return re.split(r"\.(?= |$)", self.meaning, maxsplit=1)[0]


def parse_pages(text: str) -> Mapping[str, ExplainPage]:
    """Return the sections of docs/diagnostics.md by code."""
    return {code: ExplainPage(code, body.strip()) for code, body in _SECTION_PATTERN.findall(text)}


@cache
def load_pages() -> Mapping[str, ExplainPage]:
    """Return the pages of docs/diagnostics.md by code."""
    return parse_pages((data_folder("docs") / "diagnostics.md").read_text(encoding="utf-8"))
