"""Files that a pipeline, a sweep or a component names: their content is in the spec, their paths are the pipeline's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from reconciler.format.assets import check_references
from reconciler.format.include import ANY_FILE
from reconciler.format.inlining import find_place
from reconciler.format.load import load_asset_file, load_assets, load_declaration
from reconciler.model import LocalPath, Reference

pytestmark = pytest.mark.fast

PIPELINE = "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\ntype: pipeline\njobs:\n"
COMPONENT = (
    "$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json\ntype: pipeline\njobs:\n"
)
STEP = """\
type: command
command: python a.py
code: ./src
additional_includes: [../lib]
environment: file:env.yml
compute: azureml:cluster
"""
FILES = {
    "p.yml": PIPELINE + "  outer: {type: pipeline, component: parts/inner.yml}\n  own: {command: ls, code: own}\n",
    "parts/inner.yml": COMPONENT
    + "  deep:\n    type: sweep\n    trial: file:deep/step.yml\n"
    + "    inputs: {x: {path: ../data}, y: {path: '${{parent.inputs.x}}'}}\n",
    "parts/deep/step.yml": STEP,
    "parts/deep/env.yml": "image: python\nconda_file: packages/conda.yml\n",
    "parts/deep/packages/conda.yml": "dependencies: [pip]\n",
}
TRIAL = "/jobs/outer/component/jobs/deep/trial"


@dataclass
class Files:
    """Files by path."""

    files: dict[str, str]

    def read_file(self, path: str) -> bytes:
        return self.files[path].encode()

    def exists(self, path: str) -> bool:
        return path in self.files

    def display_path(self, path: str) -> str:
        return path


def asset_of(files, path="p.yml"):
    loaded = load_declaration(Files(files), path)
    assert loaded is not None
    assert loaded.asset is not None
    return loaded.asset


def test_the_content_of_component_files_is_in_the_spec_at_any_depth():
    trial = asset_of(FILES).spec["jobs"]["outer"]["component"]["jobs"]["deep"]["trial"]
    assert trial["environment"] == {"image": "python", "conda_file": {"dependencies": ["pip"]}}
    assert trial["command"] == "python a.py"


def test_paths_are_relative_to_the_file_that_says_them_and_a_binding_is_none():
    asset = asset_of(FILES)
    assert set(asset.paths) == {
        LocalPath("/jobs/own/code", "own", "own"),
        LocalPath("/jobs/outer/component/jobs/deep/inputs/x/path", "./data", "data"),
        LocalPath(f"{TRIAL}/code", "./parts/deep/src", "parts/deep/src"),
        LocalPath(f"{TRIAL}/additional_includes/0", "./parts/lib", "parts/lib", "lib"),
    }
    assert [reference.pointer for reference in asset.references] == [f"{TRIAL}/compute"]
    assert isinstance(asset.references[0], Reference)


def test_a_build_context_is_relative_to_the_file_of_its_environment():
    files = {**FILES, "parts/deep/env.yml": "build: {path: ../image}\n"}
    paths = {path.pointer: path.path for path in asset_of(files).paths}
    assert paths[f"{TRIAL}/environment/build/path"] == "parts/image"


def test_the_spec_says_the_same_in_the_file_of_the_pipeline():
    asset = asset_of(FILES)
    alone = asset_of({"p.yml": PIPELINE.replace("jobs:\n", f"jobs: {dict(asset.spec['jobs'])!r}\n")})
    assert alone.paths == asset.paths


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/jobs/own/code", "p.yml:5:28"),
        ("/jobs/outer/component", "p.yml:4:38"),
        ("/jobs/outer/component/jobs/deep/inputs/x/path", "parts/inner.yml:7:24"),
        (f"{TRIAL}/code", "parts/deep/step.yml:3:7"),
        (f"{TRIAL}/additional_includes/0", "parts/deep/step.yml:4:23"),
        (f"{TRIAL}/environment/image", "parts/deep/env.yml:1:8"),
        (f"{TRIAL}/environment/conda_file/dependencies/0", "parts/deep/packages/conda.yml:1:16"),
    ],
)
def test_a_value_is_found_in_the_file_that_says_it(pointer, place):
    files = Files(FILES)
    loaded = load_declaration(files, "p.yml")
    document, inner = find_place(loaded.document, "p.yml", pointer, files)
    assert str(document.value_span(inner)) == place


@pytest.mark.parametrize(
    "content", [None, "a: [", "[1]", COMPONENT + "  again: {type: pipeline, component: ./x.yml}\n"]
)
def test_the_name_of_a_file_that_cannot_be_read_or_that_includes_itself_stays(content):
    files = {"p.yml": PIPELINE + "  a: {type: pipeline, component: ./x.yml}\n"} | (
        {"x.yml": content} if content else {}
    )
    asset = asset_of(files)
    (path,) = asset.paths
    assert (path.text, path.path) == ("./x.yml", "x.yml")


@pytest.mark.parametrize("uses", [1, 3])
def test_a_component_file_that_is_no_yaml_is_one_error_in_that_file(uses):
    nodes = "".join(f"  a{index}: {{type: command, component: ./x.yml}}\n" for index in range(uses))
    loaded = load_asset_file(Files({"p.yml": PIPELINE + nodes, "x.yml": "a: [\n"}), "p.yml")
    assert [f"{item.code} {item.span}" for item in loaded.diagnostics if "yaml" in item.code] == [
        "yaml-syntax x.yml:2:1"
    ]


def test_a_missing_asset_is_reported_once_in_the_component_file_that_names_it():
    nodes = "".join(f"  a{index}: {{type: command, component: x/c.yml}}\n" for index in range(3))
    declared = load_assets(Files({"p.yml": PIPELINE + nodes, "x/c.yml": STEP}), [("p.yml", ANY_FILE)])
    assert [f"{item.code} {item.span}" for item in check_references(declared)] == ["reference-dangling x/c.yml:6:10"]


def test_files_that_include_one_another_too_often_are_an_error_at_its_line():
    """Eleven files, of which each includes the next ten times, would be ten thousand million steps."""
    files = {f"c{index}.yml": COMPONENT for index in range(11)} | {"c11.yml": STEP}
    for index, name in product(range(11), "abcdefghij"):
        files[f"c{index}.yml"] += f"  {name}: {{type: pipeline, component: ./c{index + 1}.yml}}\n"
    loaded = load_asset_file(Files(files), "c0.yml")
    assert [f"{item.code} {item.span}" for item in loaded.diagnostics if item.code == "include-limit"] == [
        "include-limit c7.yml:13:34"
    ]


def test_files_that_include_one_another_too_deep_are_an_error_at_its_line():
    files = {
        f"c{index}.yml": f"{COMPONENT}  a: {{type: pipeline, component: ./c{index + 1}.yml}}\n" for index in range(40)
    }
    loaded = load_asset_file(Files(files), "c0.yml")
    assert "include-limit c20.yml:4:34" in [f"{item.code} {item.span}" for item in loaded.diagnostics]
