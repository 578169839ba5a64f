"""What was downloaded from URLs in the live state: the first one is kept, and a damaged one is reported as such."""

from __future__ import annotations

import json

import pytest

from reconciler.model.content import Content
from reconciler.model.downloads import Download
from reconciler.state import codec, paths

pytestmark = pytest.mark.fast

CONTENT = Content("0" * 32, "1" * 64, 3, 1, "n.csv")
DOWNLOAD = Download("https://example.org/n.csv", CONTENT, '"v1"', "yesterday", "2026-11-29T12:00:00Z")


def test_a_download_is_read_as_it_was_written():
    assert codec.decode_download(codec.encode_json(DOWNLOAD.to_json())) == DOWNLOAD
    without_facts = Download("https://example.org/n.csv", CONTENT)
    assert codec.decode_download(codec.encode_json(without_facts.to_json())) == without_facts


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"a": 1}, True])
@pytest.mark.parametrize("key", [None, *DOWNLOAD.to_json()])
def test_a_value_of_another_type_is_damaged(key, value):
    document = DOWNLOAD.to_json()
    damaged = value if key is None else {**document, key: value}
    if key is not None and key != "md5" and type(value) is type(document[key]):
        assert codec.decode_download(json.dumps(damaged).encode()).url
        return
    with pytest.raises(codec.DECODE_ERRORS):
        codec.decode_download(json.dumps(damaged).encode())


def test_the_path_of_a_download_tells_nothing_of_its_url_and_is_merged():
    path = paths.download_path("https://user:secret@example.org/n.csv?sig=secret")
    assert "secret" not in path
    assert paths.is_merged(path)
    assert path != paths.download_path("https://example.org/n.csv")
    assert paths.record_address(path) is None
