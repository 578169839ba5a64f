"""Packages that an index has yanked or lacks, with an index of this machine: a folder behind an HTTP server."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.builders._venv import VenvBuilder
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import Built
from reconciler.storage.folder_store import FolderStore

ADDRESS = "environment/tiny"
FINGERPRINT = "f" * 64

pytestmark = pytest.mark.slow


def add_wheel(folder: Path, version: str, attributes: str = "") -> str:
    """Write a wheel of the package ``pulled``; return its line of the index."""
    name = f"pulled-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        info = f"pulled-{version}.dist-info"
        wheel.writestr("pulled.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: pulled\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return f'<a href="{name}#sha256={digest}"{attributes}>{name}</a>'


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make an index whose package ``pulled`` has the versions 1.0 and 1.1, which is yanked, that of uv."""
    folder = tmp_path / "index/pulled"
    folder.mkdir(parents=True)
    lines = [add_wheel(folder, "1.0"), add_wheel(folder, "1.1", ' data-yanked="it is broken"')]
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>", "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    yield
    server.shutdown()
    server.server_close()


def build(tmp_path: Path, requirement: str) -> tuple[Built, list[str]]:
    builder, messages = VenvBuilder(tmp_path / "environments"), []
    spec = {"image": "i", "conda_file": {"dependencies": [{"pip": [requirement]}]}}
    plan = builder.plan(ADDRESS, FINGERPRINT, spec)
    return builder.build(plan, FolderStore(tmp_path / "store"), messages.append), messages


def failure(tmp_path: Path, requirement: str) -> Diagnostic:
    with pytest.raises(UserError) as caught:
        build(tmp_path, requirement)
    return caught.value.diagnostics[0]


@pytest.mark.usefixtures("index")
def test_a_yanked_version_is_not_chosen(tmp_path: Path) -> None:
    built, messages = build(tmp_path, "pulled>=1.0")
    assert "pulled==1.0" in built.lock
    assert not any("yanked" in message for message in messages)


@pytest.mark.usefixtures("index")
def test_a_yanked_version_that_is_pinned_exactly_is_installed_and_said_to_be_yanked(tmp_path: Path) -> None:
    built, messages = build(tmp_path, "pulled==1.1")
    assert "pulled==1.1" in built.lock
    assert "pulled==1.1 was yanked from the package index: it is broken" in messages


@pytest.mark.usefixtures("index")
def test_a_requirement_that_only_yanked_versions_satisfy_says_so(tmp_path: Path) -> None:
    diagnostic = failure(tmp_path, "pulled>1.0")
    assert diagnostic.code == "package-not-found"
    assert diagnostic.message == (
        f"{ADDRESS}: all versions of the package 'pulled' that are allowed were yanked: it is broken"
    )


@pytest.mark.usefixtures("index")
def test_a_package_that_the_index_lacks_is_named(tmp_path: Path) -> None:
    assert failure(tmp_path, "missing").message == (
        f"{ADDRESS}: the package 'missing' does not exist in the package index"
    )
