"""A provider of resources whose plug-in fails when it is asked: what it has made stands as recorded."""

from __future__ import annotations

import json

import pytest
from resource_provider import ReferenceResource
from workspaces import APPLY, git

pytestmark = pytest.mark.slow


def fail(*_):
    raise ConnectionError("no route")


def leave(*_):
    raise SystemExit(4)


@pytest.mark.parametrize(
    "read", [fail, leave, lambda *_: None, lambda *_: 3, lambda *_: {}, lambda _, handles: {*handles}]
)
def test_resources_of_a_provider_that_fails_stand_as_recorded(cluster, provider, mlgit, monkeypatch, read):
    assert mlgit(*APPLY, cwd=cluster).code == 0
    listed = json.loads(mlgit("list", "--format", "json", cwd=cluster).out)
    monkeypatch.setattr(ReferenceResource, "read", read)
    drift = mlgit("drift", cwd=cluster)
    assert drift.code == 0, drift.err
    assert "1 stand as recorded" in drift.out + drift.err
    ended = mlgit("apply", "--auto-approve", cwd=cluster)
    assert ended.code == 0, ended.out + ended.err
    assert json.loads(mlgit("list", "--format", "json", cwd=cluster).out) == listed
    assert provider.made == ["cpu"]
    assert git(cluster, "status", "--porcelain") == ""
