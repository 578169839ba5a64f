"""Loading a file: any document gives an asset or diagnostics, and never an exception."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import has_errors
from reconciler.format.load import load_asset_file
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

TEMPLATE = Path(__file__).parents[2] / "workspace-template"
SOURCES = {path.relative_to(TEMPLATE).as_posix(): path.read_bytes() for path in TEMPLATE.rglob("*") if path.is_file()}
ASSETS = sorted(path for path, raw in SOURCES.items() if b"$schema" in raw)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
REFERENCES = st.sampled_from(
    [
        "${{inputs.x}}",
        "${{parent.jobs.a.outputs.b}}",
        "azureml:a:1",
        "azureml:a@latest",
        "file:x.yml",
        "../..",
        "azureml://",
    ]
)


@dataclass
class Files:
    """The files of the workspace template, one of them replaced."""

    path: str
    raw: bytes

    def read_file(self, path: str) -> bytes:
        return self.raw if path == self.path else SOURCES.get(path, b"")  # empty for a folder, as of a tree

    def exists(self, path: str) -> bool:
        return path in SOURCES or any(source.startswith(f"{path}/") for source in SOURCES)

    def display_path(self, path: str) -> str:
        return path


def value_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values inside a value."""
    own_path = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return own_path + [child for key, item in children for child in value_paths(item, (*path, key))]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ASSETS), st.randoms(use_true_random=False), JSON | REFERENCES)
def test_an_asset_with_any_value_in_any_field_is_loaded_or_has_diagnostics(path, random, value):
    data = copy.deepcopy(parse_yaml(path, SOURCES[path])[0].data)
    *parents, last = random.choice(value_paths(data))
    container = data
    for key in parents:
        container = container[key]
    container[last] = value
    raw = json.dumps(data, ensure_ascii=False).encode()
    loaded = load_asset_file(Files(path, raw), path)
    if loaded is None:
        assert "azureml" not in str(data.get("$schema")), "an asset is never ignored"
        return
    assert loaded.diagnostics or loaded.asset
    if loaded.kind is not None:
        assert (loaded.asset is None) == has_errors(loaded.diagnostics)
    for diagnostic in loaded.diagnostics:
        assert diagnostic.span is not None
        assert diagnostic.span.line >= 1
        assert diagnostic.message


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(["name", "type", "command", "path", "jobs"]), JSON))
def test_any_mapping_with_an_azure_ml_schema_is_an_asset_file(data):
    raw = json.dumps({"$schema": "https://azuremlschemas.net/commandJob.json", **data}, ensure_ascii=False).encode()
    loaded = load_asset_file(Files("x.yml", raw), "x.yml")
    assert loaded is not None or "azureml" not in str(data.get("$schema", "azureml"))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_can_be_loaded(raw):
    load_asset_file(Files("x.yml", b"$schema: azureml/job\n" + raw), "x.yml")


def test_an_error_in_a_component_file_is_reported_there_for_the_pipeline_that_uses_it():
    component = b"name: c\ntype: command\ncommand: echo ${{inputs.gone}}\nenvironment: azureml:e:1\n"
    pipeline = (
        b"$schema: azureml/pipelineJob.schema.json\ntype: pipeline\ncompute: azureml:c\n"
        b"jobs:\n  a:\n    type: command\n    component: ./c.yml\n"
    )

    class TwoFiles(Files):
        def read_file(self, path: str) -> bytes:
            return {"p.yml": pipeline, "c.yml": component}[path]

        def exists(self, path: str) -> bool:
            return path in {"p.yml", "c.yml"}

    loaded = load_asset_file(TwoFiles("p.yml", pipeline), "p.yml")
    assert loaded is not None
    errors = [diagnostic for diagnostic in loaded.diagnostics if diagnostic.code == "expression-undeclared"]
    assert [diagnostic.span.path for diagnostic in errors if diagnostic.span] == ["c.yml"]
