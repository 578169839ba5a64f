"""Downloads: what came from a URL the first time, which is what the URL stands for from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from reconciler.model.assets import Json
from reconciler.model.content import Content


class Download(NamedTuple):
    """The content that a URL had when it was downloaded at a time, and what the server said of it.

    ``url`` has no secrets in it: it is for people, and is not what the download is found by.
    """

    url: str
    content: Content
    etag: str = ""
    modified: str = ""
    downloaded_at: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the download as the live state keeps it."""
        texts = {"etag": self.etag, "modified": self.modified, "downloaded_at": self.downloaded_at}
        return {"url": self.url, **{name: text for name, text in texts.items() if text}, **self.content.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Self:
        """Return the download that the live state keeps; other keys are ignored."""
        texts = (document.get(name, "") for name in ("etag", "modified", "downloaded_at"))
        return cls(document["url"], Content.from_json(document), *texts)


def no_download(_url: str) -> Download | None:
    """Return that nothing was downloaded from a URL."""
    return None
