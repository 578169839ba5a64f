"""The workflows of a workspace, run by act from the pull request to the apply and after it."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.services]

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: more\ntype: uri_file\npath: more.csv\n"
CHANGE = {"data/more.csv": "n\n4\n", "data/more.yml": DATA}
RUNNER = {"MLGIT_RUNNER": '["self-hosted"]'}


def test_a_pull_request_is_planned(hub):
    hub.open_pull(7, CHANGE)
    run = hub.run_pull_request(7)
    print(run.log)
    assert run.code == 0, run.log
    print(hub.api.comments_of(7))
    print(hub.requests("."))
    pytest.fail("look")
