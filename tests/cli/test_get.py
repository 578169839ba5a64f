"""mlgit get: the files of a version, or the lock of an environment, are written into a folder."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, put, signal_itself

from reconciler.state.paths import pin_path
from reconciler.storage.disk_files import put_path
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow

URI = """
    $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
    name: {name}
    type: uri_file
    path: {path}
    """


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / ".mlgit/store/files/md5").rglob("*") if path.is_file()]


def got(mlgit, folder, *arguments):
    ended = mlgit("get", *arguments, cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def failed(mlgit, folder, *arguments):
    ended = mlgit(*arguments, cwd=folder)
    assert (ended.code, ended.out) == (1, "")
    return ended.err


def test_the_files_of_a_version_are_written_and_a_second_time_nothing_is(applied, mlgit, golden, out):
    texts = [
        got(mlgit, applied, address, str(out)) for address in ("model/total", "model/total@1", "model/total@latest")
    ]
    golden("cli/get/model.txt", "".join(texts))
    assert (out / "total/total.txt").read_text("utf-8") == "12.0"
    document = json.loads(got(mlgit, applied, "data/numbers", str(out), "--format", "json"))
    assert document == {
        "address": "data/numbers",
        "version": "1",
        "folder": str(out),
        "files": 1,
        "size": 8,
        "written": 1,
    }
    assert sorted(path.name for path in out.iterdir()) == ["numbers.csv", "total"]


def test_old_and_archived_versions_are_written_and_different_files_are_kept_without_force(applied, mlgit, golden, out):
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("archive", "data/numbers@1", "--auto-approve", cwd=applied).code == 0
    got(mlgit, applied, "data/numbers", str(out))
    assert (out / "numbers.csv").read_text("utf-8") == "n\n1\n2\n3\n4\n"
    golden("cli/get/different.txt", failed(mlgit, applied, "get", "data/numbers@1", str(out)))
    assert (out / "numbers.csv").read_text("utf-8") == "n\n1\n2\n3\n4\n"
    got(mlgit, applied, "data/numbers@1", str(out), "--force")
    assert (out / "numbers.csv").read_text("utf-8") == "n\n1\n2\n3\n"
    got(mlgit, applied, "model/total", str(out))  # archived as a whole
    assert (out / "total/total.txt").read_text("utf-8") == "20.0"


def test_a_folder_is_written_with_its_modes_and_other_files_of_the_target_stay(applied, mlgit, out):
    path = applied / "data/tools/bin/run"
    commit(
        applied,
        "folder",
        {"data/tools.yml": URI.format(name="tools", path="tools"), "data/tools/bin/run": "#!/bin/sh\n"},
    )
    edit(applied, "data/tools.yml", "uri_file", "uri_folder")
    path.chmod(0o755)
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    out.mkdir()
    (out / "mine").write_text("mine", "utf-8")
    got(mlgit, applied, "data/tools", str(out))
    assert os.access(out / "bin/run", os.X_OK)
    assert (out / "mine").read_text("utf-8") == "mine"


def test_an_environment_is_written_as_its_lock_and_python_version(applied, mlgit, golden, out):
    golden("cli/get/environment.txt", got(mlgit, applied, "environment/plain", str(out)))
    shown = json.loads(mlgit("show", "environment/plain", "--format", "json", cwd=applied).out)
    build = shown["builds"]["venv"]
    assert (out / "requirements.txt").read_text("utf-8") == build["lock"]
    assert (out / ".python-version").read_text("utf-8") == f"{build['python']}\n"
    document = json.loads(got(mlgit, applied, "environment/plain", str(out), "--format", "json"))
    assert (document["builder"], document["python"], document["written"]) == ("venv", build["python"], 0)
    (out / "requirements.txt").write_text("mine", "utf-8")
    assert "[target-exists]" in failed(mlgit, applied, "get", "environment/plain", str(out))
    assert (out / "requirements.txt").read_text("utf-8") == "mine"


def test_an_environment_that_was_not_built_says_so(small, mlgit, out):
    assert mlgit("apply", "--auto-approve", "--select", "environment/plain", cwd=small).code == 0
    ref = "refs/mlgit/small/default/live"
    (path,) = git(small, "ls-tree", "-r", "--name-only", ref, "builds/").splitlines()
    put(small, path, {})
    assert "no build of environment/plain@1 is recorded" in failed(mlgit, small, "get", "environment/plain", str(out))
    assert not out.exists()


def test_data_that_mlgit_cannot_read_is_said_to_have_no_bytes_here(applied, mlgit, out):
    path = "wasbs://box@account.blob.core.windows.net/clicks.csv"
    commit(applied, "uri", {"clicks.yml": URI.format(name="clicks", path=path)})
    assert mlgit(*APPLY, cwd=applied).code == 0
    message = failed(mlgit, applied, "get", "data/clicks", str(out))
    assert f"data/clicks@1 is the URI {path}: mlgit does not have its bytes [content-not-kept]" in message


ERRORS = {
    "job": ("job/sum",),
    "no-files": ("workspace/small",),
    "unknown": ("model/totl",),
    "unknown-version": ("model/total@7",),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_has_no_files_is_an_error_that_says_what_to_do(applied, mlgit, golden, out, name):
    golden(f"cli/get/{name}.txt", failed(mlgit, applied, "get", *ERRORS[name], str(out)))
    assert not out.exists()


@pytest.mark.parametrize("damage", ["removed", "changed", "cut", "store"])
def test_damaged_content_is_an_error_that_names_it_and_nothing_is_written(applied, mlgit, out, damage):
    for path in objects(applied):
        path.chmod(0o644)
        if damage == "removed":
            path.unlink()
        elif damage == "changed" and path.suffix != ".dir":
            path.write_bytes(b"other")
        elif damage == "cut" and path.suffix != ".dir":
            path.write_bytes(path.read_bytes()[:1])
    if damage == "store":
        shutil.rmtree(applied / ".mlgit/store")
    for address in ("model/total", "data/numbers"):
        message = failed(mlgit, applied, "get", address, str(out))
        code = {"removed": "content-missing", "store": "store-other"}.get(damage, "content-corrupt")
        assert f"[{code}]" in message
        assert damage == "store" or address in message
        assert not out.exists()


def test_a_store_of_another_machine_is_named(applied, mlgit, out):
    edit(applied, "mlgit.yml", "{path: .mlgit/store}", "{path: .mlgit/store, host: gpu-box}")
    assert "the object store is on gpu-box only [store-elsewhere]" in failed(
        mlgit, applied, "get", "model/total", str(out)
    )


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_name_in_a_damaged_record_never_leads_out(applied, mlgit, out, name):
    ref = "refs/mlgit/small/default/live"
    paths = git(applied, "ls-tree", "-r", "--name-only", ref).splitlines()
    path = next(path for path in paths if path.startswith("current/") and "/data/" in path)
    record = json.loads(git(applied, "show", f"{ref}:{path}"))
    record["realised"]["contents"]["/path"]["name"] = name
    put(applied, path, record)
    assert "[path-outside]" in failed(mlgit, applied, "get", "data/numbers", str(out))
    assert not out.exists()
    assert not (out.parent / "outside").exists()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
        """Print nothing."""


def test_what_a_run_has_downloaded_from_a_url_is_written(applied, mlgit, out, tmp_path, monkeypatch):
    (tmp_path / "web").mkdir()
    (tmp_path / "web/clicks.csv").write_text("clicks", "utf-8")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/clicks.csv"
        config = (applied / "mlgit.yml").read_text("utf-8")
        commit(applied, "url", {"mlgit.yml": f"{config}local_hosts: [127.0.0.1]\n"})
        commit(applied, "url", {"clicks.yml": URI.format(name="clicks", path=url)})
        assert mlgit(*APPLY, cwd=applied).code == 0
        edit(applied, "jobs/sum.yml", "azureml:numbers@latest", "azureml:clicks@latest")
        commit(applied)
        mlgit(*APPLY, cwd=applied)  # the job fails, because that is no list of numbers
        server.shutdown()
    got(mlgit, applied, "data/clicks", str(out))
    assert (out / "clicks.csv").read_text("utf-8") == "clicks"


def test_an_environment_of_a_registry_that_no_run_has_used_has_no_lock(applied, mlgit, out):
    error = failed(mlgit, applied, "get", "environment/azureml/sklearn-1.5", str(out))
    assert "no build of environment/azureml/sklearn-1.5@1 is recorded" in error
    assert "[address-unknown]" in failed(mlgit, applied, "get", "job/azureml/sklearn-1.5", str(out))


def test_an_environment_of_a_registry_is_written_as_its_pin_was_built(applied, mlgit, out):
    spec = json.loads(mlgit("show", "environment/plain", "--format", "json", cwd=applied).out)["spec"]
    put(
        applied,
        pin_path("azureml/plain"),
        {"version": "7", "spec": {name: spec[name] for name in ("image", "conda_file")}},
    )
    assert "is not live" in failed(mlgit, applied, "get", "environment/azureml/plain@6", str(out))
    for argument in ("environment/azureml/plain", "environment/azureml/plain@7"):
        document = json.loads(got(mlgit, applied, argument, str(out), "--format", "json"))
        assert (document["address"], document["version"]) == ("environment/azureml/plain", "7")
    assert sorted(path.name for path in out.iterdir()) == [".python-version", "requirements.txt"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Put a file into a store that takes a while to copy; return the folder of the store and the content."""
    top = tmp_path_factory.mktemp("large")
    with (top / "large.bin").open("wb") as file:
        file.truncate(400_000_000)
    return top / "store", put_path(FolderStore(top / "store"), top / "large.bin")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("exists", [True, False])
def test_a_signal_leaves_nothing_half_written(applied, large, mlgit_process, tmp_path, number, exists):  # noqa: PLR0913, PLR0917 - fixtures
    (store, content), parent = large, tmp_path / "parent"
    shutil.copytree(store / "files", applied / ".mlgit/store/files", copy_function=os.link, dirs_exist_ok=True)
    ref = "refs/mlgit/small/default/live"
    paths = git(applied, "ls-tree", "-r", "--name-only", ref).splitlines()
    path = next(path for path in paths if path.startswith("current/") and "/data/" in path)
    record = json.loads(git(applied, "show", f"{ref}:{path}"))
    record["realised"]["contents"]["/path"] = content.to_json()
    put(applied, path, record)
    if exists:
        (parent / "out").mkdir(parents=True)
    at_once = signal_itself(tmp_path / "start", number, "open", "/large.bin")
    process = mlgit_process("get", "data/numbers", str(parent / "out"), cwd=applied, env=at_once)
    assert process.wait(120) == 128 + number
    assert process.communicate()[0] == ""
    assert [*parent.rglob("*")] == ([parent / "out"] if exists else [])
    assert parent.exists() == exists
