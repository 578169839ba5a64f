"""Markdown as GitHub shows it: cmark-gfm's HTML, what is in it, and what GitHub makes links of afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

_OPTIONS = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES  # HTML is kept, so that a test sees it
_EXTENSIONS = ["table", "autolink", "strikethrough", "tasklist"]
# In text outside of code: mentions, issues, commits, emoji, mathematics, and addresses, also those of GitLab.
_REFERENCES = re.compile(r"@\w|!\w|[#%~&][\w\"]|GH-\d|:\w+:|\$|://|www\.|\b[0-9a-f]{7,40}\b", re.IGNORECASE)


@dataclass
class Page(HTMLParser):
    """A page as a person sees it."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    mermaid: str = ""
    _open: list[str] = field(default_factory=list)
    _is_mermaid: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def text(self) -> str:
        """All text of the page."""
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attributes)
        if "href" in values:
            self.links.append(values["href"] or "")
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        self._is_mermaid = values.get("lang") == "mermaid" or (self._is_mermaid and tag == "code")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data.strip())

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data
        if self._is_mermaid:
            self.mermaid += data
        if not {"code", "pre"} & {*self._open}:
            self.references += _REFERENCES.findall(data)


def to_html(markdown: str) -> str:
    """Return Markdown as HTML."""
    html: str = cmarkgfm.markdown_to_html_with_extensions(markdown, _OPTIONS, _EXTENSIONS)
    return html


def read_page(markdown: str) -> Page:
    """Return what is on a page; all that is opened in it must be closed."""
    page = Page()
    page.feed(to_html(markdown.replace("> [!WARNING]\n", "", 1)))  # an alert of GitHub, once
    page.close()
    assert page._open == []
    return page
