"""Remote data for a person: `mlgit get` and `mlgit data head` bring it, and say if it is not what was registered."""

from __future__ import annotations

import http.server
import json
import os
import threading
from functools import partial

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.slow

URI = "azureml://datastores/lake/paths/"
CONFIG = """
    state: {name: small, lineage: "11111111111111111111111111111111"}
    datastores: {lake: {type: local, path: ../lake}}
    local_hosts: [127.0.0.1]
    """
TABLE = "paths:\n{}transformations:\n  - read_delimited: {{delimiter: ','}}\n"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def web(tmp_path):
    """Serve a folder of files; return its URL."""
    handler = partial(QuietHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path):
    """Make a workspace beside a datastore and files of a server."""
    write(tmp_path, {"lake/in/a.csv": "a,b\n8,2\n", "lake/in/sub/b.csv": "a,b\n3,4\n", "lake/in/n.txt": "text\n"})
    write(tmp_path, {"web/files/c.csv": "a,b\n5,6\n", "web/files/model.bin": "weights\n"})
    folder = tmp_path / "workspace"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "start", {"mlgit.yml": CONFIG, ".gitignore": "/.mlgit/\n"})
    return folder


def asset(kind: str, name: str, type_: str, path: str) -> dict[str, str]:
    schema = f"$schema: https://azuremlschemas.azureedge.net/latest/{kind}.schema.json"
    return {f"{kind}/{name}.yml": f"{schema}\nname: {name}\ntype: {type_}\npath: {json.dumps(path)}\n"}


def apply(mlgit, folder, files):
    commit(folder, "files", files)
    done = mlgit("apply", "--auto-approve", cwd=folder)
    assert done.code == 0, done.out + done.err


def test_get_brings_the_data_of_a_version_and_refuses_what_has_changed_with_both_identities(folder, mlgit, tmp_path):
    apply(mlgit, folder, asset("data", "far", "uri_folder", f"{URI}in/"))
    done = mlgit("get", "data/far", str(tmp_path / "out"), cwd=folder)
    assert done.code == 0, done.err
    assert "data/far@1: wrote 3 files (21 bytes)" in done.out
    assert (tmp_path / "out/sub/b.csv").read_text() == "a,b\n3,4\n"
    assert "has 3 files (21 bytes) already, verified" in mlgit("get", "data/far", str(tmp_path / "out"), cwd=folder).out

    write(tmp_path, {"lake/in/a.csv": "a,b\n9,9,9\n"})
    refused = mlgit("get", "data/far", str(tmp_path / "new"), cwd=folder)
    assert (refused.code, refused.err.count("ETag ")) == (1, 2)
    assert "[input-changed]" in refused.err
    assert "mlgit apply --replace data/far" in refused.err
    assert not (tmp_path / "new").exists()


def test_get_brings_a_file_behind_a_url(folder, mlgit, tmp_path, web):
    apply(mlgit, folder, asset("data", "page", "uri_file", f"{web}/files/c.csv"))
    assert mlgit("get", "data/page", str(tmp_path / "out"), cwd=folder).code == 0
    assert (tmp_path / "out/c.csv").read_text() == "a,b\n5,6\n"
    write(tmp_path, {"web/files/c.csv": "a,b\n5,6,7\n"})
    os.utime(tmp_path / "web/files/c.csv", (1_700_000_000, 1_700_000_000))
    refused = mlgit("get", "data/page", str(tmp_path / "new"), cwd=folder)
    assert (refused.code, "[input-changed]" in refused.err) == (1, True)


def test_a_model_behind_a_url_is_downloaded_when_it_is_registered_and_keeps_its_last_name(folder, mlgit, tmp_path, web):
    apply(mlgit, folder, asset("model", "net", "custom_model", f"{web}/files/model.bin"))
    (tmp_path / "web/files/model.bin").unlink()
    shown = json.loads(mlgit("show", "model/net", "--format", "json", cwd=folder).out)
    assert shown["realised"]["name"] == "model.bin"
    assert mlgit("get", "model/net", str(tmp_path / "out"), cwd=folder).code == 0
    assert (tmp_path / "out/model.bin").read_text() == "weights\n"
    gone = asset("model", "gone", "custom_model", f"{web}/files/nothing.bin")
    commit(folder, "gone", gone)
    done = mlgit("apply", "--auto-approve", cwd=folder)
    (line,) = [line.strip() for line in done.out.splitlines() if "[download-failed]" in line]
    assert line.startswith("model/gone.yml:4:7: ")
    assert "404" in line


def test_head_reads_the_uris_in_the_paths_of_a_table_and_a_table_that_is_elsewhere(folder, mlgit, web):
    paths = f"  - file: {URI}in/a.csv\n  - pattern: {URI}in/s*/*.csv\n  - file: {web}/files/c.csv\n  - file: ./d.csv\n"
    files = {"data/t/MLTable": TABLE.format(paths), "data/t/d.csv": "a,b\n7,8\n"}
    apply(mlgit, folder, {**asset("data", "t", "mltable", "t"), **files})
    head = mlgit("data", "head", "data/t", "--format", "json", cwd=folder)
    assert head.code == 0, head.err
    assert json.loads(head.out)["rows"] == [[8, 2], [3, 4], [5, 6], [7, 8]]

    apply(mlgit, folder, asset("data", "far", "uri_file", f"{URI}in/a.csv"))
    assert mlgit("data", "head", "data/far", cwd=folder).out == "a  b\n8  2\n"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{URI}in/none.csv", "datastore-path-missing"),
        (f"{URI}in", "input-not-a-file"),
        ("azureml://datastores/shore/paths/a.csv", "mltable-not-supported"),
        ("file:///etc/passwd", "url-local"),
        ("http://localhost/a.csv", "url-local"),
    ],
)
def test_a_uri_of_a_table_that_cannot_be_read_is_an_error_at_its_line(folder, mlgit, path, code):
    files = {"data/t/MLTable": TABLE.format(f"  - file: {path}\n")}
    apply(mlgit, folder, {**asset("data", "t", "mltable", "t"), **files})
    head = mlgit("data", "head", "data/t", cwd=folder)
    assert (head.code, head.out) == (1, "")
    assert head.err.startswith("data/t@1/MLTable:2:11: error: ")
    assert f"[{code}]" in head.err
