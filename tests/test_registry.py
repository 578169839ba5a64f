"""Builders, backends and stores are found by name: modules of mlgit, and entry points of installed packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workspaces import APPLY, commit, edit

from reconciler.backends import BACKENDS, load_backend
from reconciler.builders import BUILDERS, load_builder
from reconciler.diagnostics import UserError
from reconciler.registry import Registry
from reconciler.storage.stores import STORES

pytestmark = pytest.mark.fast

REGISTRIES = {"builder": BUILDERS, "backend": BACKENDS, "store": STORES}
PLUG_IN = """
from reconciler.model.plugins import Plugin
PIXIE = Plugin(open="pixie_plug_in:Pixie")
class Pixie:
    name = "pixie"
    def __init__(self, *arguments): self.arguments = arguments
"""


@pytest.fixture(params=REGISTRIES)
def registry(request: pytest.FixtureRequest) -> Registry[Any]:
    return REGISTRIES[request.param]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, package: str) -> None:
    """Put a package with an entry point for both registries on the path of Python."""
    (folder / f"{package}.py").write_text(code)
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    groups = (f"[mlgit.{noun}s]\npixie = {package}:PIXIE\n" for noun in REGISTRIES)
    (metadata / "entry_points.txt").write_text("".join(groups))
    monkeypatch.syspath_prepend(folder)


def test_modules_are_plug_ins_unless_their_name_starts_with_an_underscore() -> None:
    assert "venv" in BUILDERS.names()
    assert "local" in BACKENDS.names()
    assert not [name for name in BUILDERS.names() if name.startswith("_")]
    assert BUILDERS.has("venv")
    assert not BUILDERS.has("_uv")


@pytest.mark.parametrize(
    ("registry", "name", "message"),
    [
        (BUILDERS, "vemv", "there is no builder 'vemv' (did you mean venv?)"),
        (BACKENDS, "lokal", "there is no backend 'lokal' (did you mean local?)"),
        (STORES, "foldr", "there is no store 'foldr' (did you mean folder?)"),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(registry: Registry[Any], name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.load(name)
    assert str(caught.value) == f"error: {message}"
    assert caught.value.diagnostics[0].code == f"{registry.noun}-unknown"


@pytest.mark.parametrize("name", ["kubernetes-operator", "os.path", "_uv", "../../etc/passwd", ""])
def test_an_unknown_name_gets_the_list_of_all_names(registry: Registry[Any], name: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.load(name)
    assert caught.value.diagnostics[0].hint == f"available: {', '.join(registry.names())}"


def test_a_plug_in_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, PLUG_IN, "pixie_plug_in")
    for registry in REGISTRIES.values():
        assert "pixie" in registry.names()
        assert registry.has("pixie")
    assert load_builder({"type": "pixie"}, tmp_path).name == "pixie"
    assert vars(load_backend({"type": "pixie"}, tmp_path)) == {"arguments": ({"type": "pixie"}, tmp_path)}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("GOBLIN = None", "AttributeError: module 'pixie_broken' has no attribute 'PIXIE'"),
        ("def PIXIE(*arguments): pass", "TypeError: function is not a plug-in"),
    ],
)
def test_a_plug_in_that_cannot_be_imported_is_a_diagnostic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry[Any], code: str, error: str
) -> None:
    monkeypatch.delitem(sys.modules, "pixie_broken", raising=False)
    install(tmp_path, monkeypatch, code, "pixie_broken")
    with pytest.raises(UserError) as caught:
        registry.load("pixie")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == f"{registry.noun}-broken"
    assert diagnostic.message == f"the {registry.noun} 'pixie' cannot be imported from pixie_broken:PIXIE: {error}"
    assert diagnostic.hint == f"reinstall the package that provides it, or use another {registry.noun} in mlgit.yml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noun", "old", "new"),
    [
        ("backend", "local: {type: local}", "local: {type: pixie}"),
        ("builder", "store: {", "builders: {pixie: {type: pixie}}\nstore: {"),
        ("store", "{path: .mlgit/store}", "{type: pixie}"),
    ],
)
def test_apply_reports_a_plug_in_that_cannot_be_imported(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, mlgit: Any, noun: str, old: str, new: str
) -> None:
    monkeypatch.delitem(sys.modules, "pixie_broken", raising=False)
    install(tmp_path, monkeypatch, "import no_such_module_at_all", "pixie_broken")
    edit(small, "mlgit.yml", old, new)
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    assert f"the {noun} 'pixie' cannot be imported from pixie_broken:PIXIE: ModuleNotFoundError" in ended.err
    assert f"[{noun}-broken]" in ended.err


@pytest.mark.parametrize("code", ["import no_such_module_at_all", "OTHER = 1"])
def test_a_module_that_cannot_be_imported_is_a_diagnostic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "goblins").mkdir()
    (tmp_path / "goblins" / "__init__.py").touch()
    (tmp_path / "goblins" / "green.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("goblins", "goblins.green"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    registry: Registry[Any] = Registry("goblin", "goblins", "GOBLIN", "mlgit.goblins")
    assert registry.names() == ("green",)
    with pytest.raises(UserError, match=r"the goblin 'green' cannot be imported from goblins\.green") as caught:
        registry.load("green")
    assert caught.value.diagnostics[0].code == "goblin-broken"


@pytest.mark.parametrize(
    ("opened", "error"),
    [
        ("no_such_module_at_all:Pixie", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("pixie_closed:Pixie", "AttributeError: module 'pixie_closed' has no attribute 'Pixie'"),
    ],
)
def test_a_plug_in_whose_code_cannot_be_imported_is_a_diagnostic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry[Any], opened: str, error: str
) -> None:
    monkeypatch.delitem(sys.modules, "pixie_closed", raising=False)
    code = f"from reconciler.model.plugins import Plugin\nPIXIE = Plugin(open='{opened}')\n"
    install(tmp_path, monkeypatch, code, "pixie_closed")
    assert registry.load("pixie").open == opened
    with pytest.raises(UserError) as caught:
        registry.open("pixie")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == f"{registry.noun}-broken"
    assert diagnostic.message == f"the {registry.noun} 'pixie' cannot be imported from {opened}: {error}"


@pytest.mark.parametrize(
    ("registry", "name", "code"),
    [(BUILDERS, "venv", "_venv"), (BACKENDS, "local", "_local"), (STORES, "folder", "folder_store")],
)
def test_loading_a_plug_in_imports_none_of_its_code(registry: Registry[Any], name: str, code: str) -> None:
    script = (
        f"import sys; from {registry.package} import {registry.noun.upper()}S as registry\n"
        f"registry.load('{name}'); print([name for name in sys.modules if name.endswith('.{code}')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listing_the_names_imports_no_plug_in() -> None:
    code = (
        "import sys; from reconciler.builders import BUILDERS; from reconciler.backends import BACKENDS\n"
        "from reconciler.storage.stores import STORES\n"
        "BUILDERS.names(), BACKENDS.names(), STORES.names()\n"
        "print([name for name in sys.modules if name == 'uv' or name.endswith(('venv', 'local', 'folder'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("error", ["RuntimeError('no licence')", "SystemExit(4)", "OSError(5, 'no device')"])
@pytest.mark.parametrize(
    ("noun", "old", "new"),
    [
        ("backend", "local: {type: local}", "local: {type: pixie}"),
        ("builder", "store: {", "builders: {pixie: {type: pixie}}\nstore: {"),
        ("store", "{path: .mlgit/store}", "{type: pixie}"),
    ],
)
def test_apply_reports_a_plug_in_whose_factory_fails(  # noqa: PLR0913, PLR0917 - fixtures
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, mlgit: Any, noun: str, old: str, new: str, error: str
) -> None:
    monkeypatch.delitem(sys.modules, "pixie_failing", raising=False)
    plugin = "StorePlugin" if noun == "store" else "BackendPlugin"
    code = (
        "from reconciler.backends.local import BACKEND\n"
        "from reconciler.model.plugins import BackendPlugin, StorePlugin\n"
        f"PIXIE = {plugin}(open='pixie_failing:Pixie', support=BACKEND.support)\n"
        f"def Pixie(*arguments): raise {error}\n"
    )
    install(tmp_path, monkeypatch, code, "pixie_failing")
    edit(small, "mlgit.yml", old, new)
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    shown = ended.out + ended.err  # a backend is the matter of its runs alone
    assert f"the {noun} 'pixie' cannot be used: {error.partition('(')[0]}: " in shown
    assert f"[{noun}-broken]" in shown
