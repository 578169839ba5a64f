"""An index that Git cannot read is an error with what to do, and no bug of mlgit."""

from __future__ import annotations

import os

import pytest
from workspaces import git

DAMAGE = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"\xff\x00{[",
    "cut": lambda raw: raw[:-30],
    "another signature": lambda raw: b"XXXX" + raw[4:],
    "another version": lambda raw: raw[:4] + b"\x00\x00\x00\x63" + raw[8:],
    "another byte": lambda raw: raw[:40] + bytes([raw[40] ^ 255]) + raw[41:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_index_is_an_error_that_says_how_to_write_it_anew(small, mlgit, how):
    index = small / ".git/index"
    index.write_bytes(DAMAGE[how](index.read_bytes()))
    for command in (("plan",), ("status",), ("apply", "--auto-approve")):
        ended = mlgit(*command, cwd=small)
        assert ended.code in {0, 1}, ended.err
        assert ended.code == 0 or "git reset" in ended.err, ended.err
    index.unlink()
    git(small, "reset", "--quiet")
    assert mlgit("plan", cwd=small).code == 0


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda index: index.symlink_to("/dev/zero")])
def test_what_is_no_file_in_the_place_of_the_index_is_an_error_and_is_not_read(small, mlgit, put):
    index = small / ".git/index"
    index.unlink()
    put(index)
    for command in (("plan",), ("status",), ("apply", "--auto-approve")):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "git reset" in ended.err
