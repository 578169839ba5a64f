"""Files behind URLs: what is refused before a byte is asked for, and how a file is called."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from reconciler.storage.web_error import WebError
from reconciler.storage.web_file import _file_name, _is_same_host, open_web_file

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://",
            "https:///x.csv",
            "http://[broken/x.csv",
            "http://127.0.0.1:99999999/x.csv",
            "http://127.0.0.1:x/",
        ),
        *("http://\u0000/x.csv", "http://.../x.csv", f"http://{'a' * 300}.example.org/", "http://127.0.0.1:1/x y\n"),
    ],
)
def test_a_url_that_is_none_is_an_error_of_the_download(url):
    with pytest.raises(WebError, match="cannot be reached: "), open_web_file(url, 1):
        raise AssertionError(url)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/iris.csv?sv=1#2", "iris.csv"),
        ("https://example.org/a%20b.csv", "a b.csv"),
        ("https://example.org/folder/", "folder"),
        ("https://example.org", "data"),
        ("https://example.org/..", "data"),
        ("https://example.org/a%00b", "data"),
        ("https://example.org/a%2F..%2F..", "data"),
        ("https://example.org/a%2Fb", "b"),
        (f"https://example.org/{'a' * 256}", "data"),
    ],
)
def test_a_file_has_the_last_part_of_its_url_as_its_name(url, name):
    assert _file_name(url) == name


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("http://a.org/x", "http://a.org/y", True),
        ("http://a.org/x", "https://A.org:443/y", True),
        ("http://a.org:80/x", "http://a.org/y", True),
        ("https://a.org/x", "http://a.org/y", False),
        ("http://a.org/x", "http://b.a.org/y", False),
        ("http://a.org/x", "http://a.org:8080/y", False),
        ("http://a.org:8080/x", "https://a.org/y", False),
        ("http://a.org/x", "http://a.org@b.org/y", False),
        ("http://a.org/x", "ftp://a.org/y", False),
    ],
)
def test_a_redirect_stays_on_one_server_and_may_lead_to_https(first, second, is_same):
    assert _is_same_host(urlsplit(first), urlsplit(second)) is is_same
