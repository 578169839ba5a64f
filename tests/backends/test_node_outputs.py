"""What a node says of the outputs of a run, read without a node."""

from __future__ import annotations

import pytest

from reconciler.backends._node_answers import read_outputs
from reconciler.backends._node_messages import MessageError
from reconciler.model.content import HashedFile

MD5, SHA256 = "0" * 32, "0" * 64


def answer(digest: str = MD5, sha256: str = SHA256, size: object = 1) -> object:
    return {"outputs": {"model": {"name": "", "files": [["a", 0o100644, digest, sha256, size]]}}}


def test_files_of_an_output_have_both_digests_and_their_size():
    assert read_outputs(answer())["model"].files == (HashedFile("a", 0o100644, MD5, SHA256, 1),)


@pytest.mark.parametrize("digest", ["../../../id", "/etc/passwd", "", f"{MD5}.dir", f"{MD5}\n"])
def test_a_digest_of_an_output_that_is_none_is_no_answer(digest):
    for document in (answer(digest=digest), answer(sha256=digest), answer(size=-1), answer(size="1")):
        with pytest.raises(MessageError):
            read_outputs(document)
