"""The store that mlgit.yml names: of a type that is found by name, with the settings of that type and no others."""

from __future__ import annotations

import pytest
from remote.object_store import install_remote_plugins
from workspaces import commit, edit

FOLDER = "store: {path: .mlgit/store}"


@pytest.fixture
def workspace(small, tmp_path, monkeypatch):
    """The small workspace, with a store that an installed package brings."""
    install_remote_plugins(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    return small


@pytest.mark.parametrize("command", ["plan", "validate"])
@pytest.mark.parametrize(
    ("store", "diagnostic"),
    {
        "an unknown type": ("store: {type: remot}", "2:15: error: there is no store 'remot' [store-unknown]"),
        "a misspelt setting of a folder": ("store: {pth: x}", "2:9: error: unknown field pth in store [unknown-field]"),
        "a setting of another type": ("store: {jobs: 2}", "2:9: error: unknown field jobs in store [unknown-field]"),
        "a folder that is named twice": (
            "store: {path: x, url: y}",
            "2:23: error: the folder of the store is named twice, by path and by url [store-url-invalid]",
        ),
        "a folder beside a service": (
            'store: {path: x, url: "s3://bucket/x"}',
            "2:9: error: unknown field path in store [unknown-field]",
        ),
        "a service without atomic creation": (
            'store: {url: "gs://bucket/x"}',
            "2:14: error: a store cannot be at gs://: mlgit needs a service that creates a file only if there is none",
        ),
        "a password in a URL": (
            'store: {url: "sftp://me:secret@host/x"}',
            "2:14: error: the url of the store cannot be used: it may have no password, no query and no fragment",
        ),
        "a container without its account": (
            'store: {url: "az://container/x"}',
            "2:14: error: the url of the store cannot be used: the storage account is missing",
        ),
        "a misspelt setting of a service": (
            'store: {url: "s3://bucket/x", regoin: y}',
            "2:31: error: unknown field regoin in store [unknown-field]",
        ),
        "a misspelt setting of a plug-in": (
            'store: {type: remote, url: "http://x", timout: 1}',
            "2:40: error: unknown field timout in store [unknown-field]",
        ),
        "a setting of a folder for a plug-in": (
            'store: {type: remote, url: "http://x", path: x}',
            "2:40: error: unknown field path in store [unknown-field]",
        ),
        "a wrong value for a plug-in": (
            'store: {type: remote, url: "http://x", timeout: soon}',
            "2:49: error: this must be a number",
        ),
        "a missing setting of a plug-in": ("store: {type: remote}", "2:1: error: the field url is missing"),
        "a setting of one target": (
            "store: {path: x}\ntargets: {other: {store: {pth: y}}}",
            "3:27: error: unknown field pth in store [unknown-field]",
        ),
    }.values(),
    ids=lambda value: None if ":" in value else value,
)
def test_a_wrong_setting_is_an_error_at_its_place(workspace, mlgit, command, store, diagnostic):
    edit(workspace, "mlgit.yml", FOLDER, store)
    commit(workspace)
    ended = mlgit(command, cwd=workspace)
    assert ended.code == 1
    assert f"mlgit.yml:{diagnostic}" in ended.out + ended.err


@pytest.mark.parametrize(
    "store",
    [
        "store: {}",
        "store: {type: folder}",
        "store: {type: folder, path: x, host: y}",
        "store: {url: x}",
        "store: {url: file:///srv/store}",
        "store: {url: 's3://bucket/x', cache: x, endpoint: 'https://s3.example.org', jobs: 4}",
        "store: {path: x}\ntargets: {prod: {store: {path: null, url: 'az://container/x', account: team}}}",
    ],
    ids=str,
)
def test_settings_that_a_folder_has_are_valid(workspace, mlgit, store):
    edit(workspace, "mlgit.yml", FOLDER, store)
    assert mlgit("validate", cwd=workspace).code == 0


def test_a_target_can_have_a_store_of_another_type(workspace, mlgit):
    target = 'targets: {far: {store: {type: remote, path: null, url: "http://127.0.0.1:1"}}}'
    edit(workspace, "mlgit.yml", FOLDER, f"{FOLDER}\n{target}")
    commit(workspace)
    assert mlgit("validate", cwd=workspace).code == 0
    assert mlgit("plan", "--target", "far", cwd=workspace).code == 0


def test_a_store_that_is_no_folder_of_this_clone_can_be_shared_without_a_host(workspace, mlgit):
    edit(workspace, "mlgit.yml", FOLDER, 'store: {type: remote, url: "http://127.0.0.1:1"}')
    edit(workspace, "mlgit.yml", "state: {name: small,", "state: {name: small, remote: origin,")
    edit(workspace, "mlgit.yml", "{local: {type: local}}", "{local: {type: local, host: here}}")
    ended = mlgit("validate", cwd=workspace)
    assert "[store-not-shared]" not in ended.out + ended.err
    assert ended.code == 0
