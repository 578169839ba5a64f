"""A datastore is opened once in a session, whoever asks for it by its name."""

from __future__ import annotations

import pytest
from workspaces import commit, git

from reconciler.diagnostics import UserError
from reconciler.project.datastores import open_datastores
from reconciler.project.session import open_session

pytestmark = pytest.mark.fast
CONFIG = """
    state: {name: small, lineage: "11111111111111111111111111111111"}
    datastores: {share: {type: local, path: .}}
    """


@pytest.fixture
def make_opener(tmp_path):
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "start", {"mlgit.yml": CONFIG})
    with open_session(tmp_path) as session:
        yield open_datastores(session)


def test_all_openers_of_a_session_open_a_datastore_once(make_opener, tmp_path):
    specs = {"share": {"path": str(tmp_path)}}
    first = make_opener(specs)("share")
    assert make_opener({"share": {"path": str(tmp_path)}})("share") is first


def test_a_datastore_whose_file_says_something_else_is_another_one(make_opener, tmp_path):
    first = make_opener({"share": {"path": str(tmp_path)}})("share")
    assert make_opener({"share": {"path": f"{tmp_path}/b"}})("share") is not first


def test_one_that_cannot_be_opened_is_tried_again(make_opener):
    opener = make_opener({})
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            opener("nothing")
        assert caught.value.diagnostics[0].code == "datastore-unknown"
