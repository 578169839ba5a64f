"""Secrets in URLs: the password of a user, and the signature or token of a query.

A password is often not encoded as a URL requires, so it may have ``/``, ``@``, ``#`` and ``?`` in it: what lies between
the first colon behind the user and the last ``@`` counts as the password. A colon with digits and a slash behind it
begins a port.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

URL_SECRET_MASK = "***"  # noqa: S105 - shown in place of a secret

_URL = r"://[^\s'\"<>`]+"  # up to a character that ends a URL in prose, in YAML and in messages
_USER = r"://[^/:@?#]*:(?!\d+[/?#;,)\]])"
_DIGEST_PREFIX = "@sha256:"  # of an image, behind its tag
_QUERY_NAME = (
    r"(?:sig|signature|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid"
    r"|(?:access|auth|sas|private|id|refresh)_?-?token|token|api_?-?key|(?:client_?-?)?secret|password|passwd|pwd)"
)
_QUERY_VALUE = rf"(?i)[?&;]{_QUERY_NAME}=(?P<secret>[^\s&'\"<>`#;,)\]}}\\]+)"


def find_url_secrets(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each secret in the URLs of a text begins and ends, and what it is."""
    if "://" in text and "@" in text:
        yield from ((start, end, "the password of a URL") for start, end in _find_passwords(text))
    if "=" in text and ("?" in text or "&" in text or ";" in text):
        for match in re.finditer(_QUERY_VALUE, text):
            yield *match.span("secret"), "the signature or token of a URL"


def _find_passwords(text: str) -> Iterator[tuple[int, int]]:
    for url in re.finditer(_URL, text):
        end = text.rfind("@", *url.span())
        if end < 0 or text.startswith(_DIGEST_PREFIX, end):
            continue
        user = re.search(_USER, text[url.start() : end])
        if user is not None and url.start() + user.end() < end:
            yield url.start() + user.end(), end


def mask_url_secrets(text: str) -> str:
    """Return a text with a mask in place of each secret in its URLs."""
    parts, position = [], 0
    for start, end, _ in sorted(find_url_secrets(text)):
        parts.append(text[position : max(start, position)])
        position = max(end, position)
        parts.append(URL_SECRET_MASK)
    return "".join([*parts, text[position:]])
