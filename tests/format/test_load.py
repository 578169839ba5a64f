"""One file, read: any document, however odd, is an asset or has diagnostics, and never ends in an exception."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import Severity
from reconciler.format.load import load_asset_file
from reconciler.format.yaml import parse_yaml

TEMPLATE = Path(__file__).parents[2] / "workspace-template"
SOURCES = {path.relative_to(TEMPLATE).as_posix(): path.read_bytes() for path in TEMPLATE.rglob("*") if path.is_file()}
ASSETS = sorted(path for path, raw in SOURCES.items() if b"$schema" in raw)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
TELLING = st.sampled_from(
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
    """The template's files, one of them replaced."""

    path: str
    raw: bytes

    def read_file(self, path: str) -> bytes:
        return self.raw if path == self.path else SOURCES[path]

    def exists(self, path: str) -> bool:
        return path in SOURCES or any(each.startswith(f"{path}/") for each in SOURCES)

    def display_path(self, path: str) -> str:
        return path


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, pair in pairs for place in places(pair, (*at, key))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ASSETS), st.randoms(use_true_random=False), JSON | TELLING)
def test_an_asset_with_anything_in_any_place_is_read_or_has_diagnostics(path, chance, value):
    data = copy.deepcopy(parse_yaml(path, SOURCES[path])[0].data)
    *above, last = chance.choice(places(data))
    at = data
    for key in above:
        at = at[key]
    at[last] = value
    raw = json.dumps(data, ensure_ascii=False).encode()
    reading = load_asset_file(Files(path, raw), path)
    if reading is None:
        assert "azureml" not in str(data.get("$schema")), "an asset is never passed over"
        return
    errors = [diagnostic for diagnostic in reading.diagnostics if diagnostic.severity is Severity.ERROR]
    assert reading.diagnostics or reading.asset
    if reading.kind is not None:
        assert (reading.asset is None) == bool(errors)
    for diagnostic in reading.diagnostics:
        assert diagnostic.span is not None
        assert diagnostic.span.line >= 1
        assert diagnostic.message


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(["name", "type", "command", "path", "jobs"]), JSON))
def test_any_mapping_with_a_schema_of_azure_ml_is_ours(data):
    raw = json.dumps({"$schema": "https://azuremlschemas.net/commandJob.json", **data}, ensure_ascii=False).encode()
    reading = load_asset_file(Files("x.yml", raw), "x.yml")
    assert reading is not None or "azureml" not in str(data.get("$schema", "azureml"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(raw):
    load_asset_file(Files("x.yml", b"$schema: azureml/job\n" + raw), "x.yml")


def test_a_fault_in_a_component_file_is_shown_there_for_the_pipeline_that_uses_it():
    component = b"name: c\ntype: command\ncommand: echo ${{inputs.gone}}\nenvironment: azureml:e:1\n"
    pipeline = (
        b"$schema: azureml/pipelineJob.schema.json\ntype: pipeline\ncompute: azureml:c\n"
        b"jobs:\n  a:\n    type: command\n    component: ./c.yml\n"
    )

    class Two(Files):
        def read_file(self, path: str) -> bytes:
            return {"p.yml": pipeline, "c.yml": component}[path]

        def exists(self, path: str) -> bool:
            return path in {"p.yml", "c.yml"}

    reading = load_asset_file(Two("p.yml", pipeline), "p.yml")
    assert reading is not None
    places_of_errors = [
        str(diagnostic.span) for diagnostic in reading.diagnostics if diagnostic.code == "expression-undeclared"
    ]
    assert [places_of_error.partition(":")[0] for places_of_error in places_of_errors] == ["c.yml"]
