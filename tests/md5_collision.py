"""Two files of one md5 (X. Wang and H. Yu, 2005): someone has stored one, and others put the other in its place."""

from __future__ import annotations

import hashlib

_BLOCKS = (
    "d131dd02c5e6eec4693d9a0698aff95c2fcab5{0}712467eab4004583eb8fb7f8955ad340609f4b30283e4888325{1}1415a085125e8f7cdc99fd9"
    "1dbd{2}280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2{3}487da03fd02396306d248cda0e99f33420f577ee8ce54b67080{4}80d1ec6"
    "9821bcb6a8839396f965{5}b6ff72a70"
)
STORED, OTHER = (
    bytes.fromhex(_BLOCKS.format(*parts)) for parts in (("8", "7", "f", "b", "a", "2"), ("0", "f", "7", "3", "2", "a"))
)
MD5, _OTHER_MD5 = (hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (STORED, OTHER))
assert (MD5, STORED != OTHER) == (_OTHER_MD5, True)
