"""A builder of a plug-in that fails: it stops only the environments that it would build."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, write

ODD = """
import os
from dataclasses import replace
from reconciler.builders import load_builder
from reconciler.builders.venv import BUILDER

ODD = replace(BUILDER, open="odd_builder:Odd")

class Odd:
    def __init__(self, settings, *arguments):
        self.venv = load_builder({"type": "venv"}, *arguments)

    def __getattr__(self, name):
        method = getattr(self.venv, name)
        fault = os.environ["ODD_FAULT"] if os.environ["ODD_PLACE"] == name else ""
        return (lambda *_: eval(fault)) if fault else method
"""
FAULTS = ["[].no_such_attribute", "exit(4)", "None", "3", "['no problem']"]


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """The small workspace with a builder that does as the environment says."""
    write(
        tmp_path / "packages",
        {
            "odd_builder.py": ODD,
            "odd_builder-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: odd_builder\nVersion: 1.0\n",
            "odd_builder-1.0.dist-info/entry_points.txt": "[mlgit.builders]\nodd = odd_builder:ODD\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("ODD_PLACE", "")
    edit(small, "mlgit.yml", "store: {", "builders: {odd: {type: odd}}\nstore: {")
    commit(small)
    return small


@pytest.mark.fast
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["check", "notes"])
def test_a_builder_whose_check_fails_stops_only_its_environments(folder, monkeypatch, mlgit, place, fault):
    monkeypatch.setenv("ODD_PLACE", place)
    monkeypatch.setenv("ODD_FAULT", fault)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 1
    assert "error: environment/plain: the builder 'odd' cannot be used: " in planned.err
    assert "[builder-broken]" in planned.err
    assert "+ data/numbers: version 1" in planned.out
    assert "[builder-broken]" in mlgit("validate", cwd=folder).out


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS[:2])
def test_a_builder_that_cannot_tell_what_it_has_built_is_a_note_of_drift(folder, monkeypatch, mlgit, fault):
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    monkeypatch.setenv("ODD_PLACE", "find")
    monkeypatch.setenv("ODD_FAULT", fault)
    drift = mlgit("drift", cwd=folder)
    assert drift.code == 0, drift.err
    assert "built environments were not checked" in drift.out
    ended = mlgit("apply", "--auto-approve", cwd=folder)
    assert (ended.code, "No changes" in ended.out) == (0, True), ended.err
