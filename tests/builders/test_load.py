"""Builders are found by name, ours and those that a plug-in brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import builders
from reconciler.diagnostics import UserError

PLUG_IN = """
class Pixie:
    name = "pixie"
    def __init__(self, root): self.root = root
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, name: str) -> None:
    """Lay a package that brings an entry point where Python looks for packages."""
    (folder / f"{name}.py").write_text(code)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[mlgit.builders]\npixie = {name}:Pixie\n")
    monkeypatch.syspath_prepend(folder)


def test_ours_are_found_and_parts_of_builders_are_not() -> None:
    assert "venv" in builders.builder_names()
    assert not [name for name in builders.builder_names() if name.startswith("_")]


def test_a_misspelt_builder_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"no builder 'vemv' \(did you mean 'venv'\?\)") as caught:
        builders.load_builder("vemv")
    assert caught.value.diagnostics[0].code == "builder-unknown"


@pytest.mark.parametrize("name", ["kubernetes-operator", "os.path", "_uv", "../../etc/passwd", ""])
def test_a_name_that_is_no_builder_gets_the_names_there_are(name: str) -> None:
    with pytest.raises(UserError, match=r"there are: .*venv"):
        builders.load_builder(name)


def test_a_plug_in_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, PLUG_IN, "pixie_plug_in")
    assert "pixie" in builders.builder_names()
    assert builders.load_builder("pixie", tmp_path).name == "pixie"


def test_a_broken_plug_in_is_the_plug_ins_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "import no_such_module_at_all", "pixie_broken")
    with pytest.raises(UserError, match="'pixie' cannot be loaded from pixie_broken:Pixie") as caught:
        builders.load_builder("pixie", tmp_path)
    assert caught.value.diagnostics[0].code == "builder-broken"


def test_looking_up_names_imports_no_builder() -> None:
    code = "import sys; from reconciler import builders; builders.builder_names(); print('uv' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
