from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning.world import tree_of

from reconciler.format.kinds import kinds
from reconciler.format.references import find_references_and_paths, parse_reference, resolve_zip_path
from reconciler.model import Address, LocalPath, Reference


def reference(text: str, kind: str = "data") -> Any:
    return parse_reference("/p", text, kind, "jobs")


@pytest.mark.parametrize(
    ("text", "name", "version", "label"),
    [
        ("azureml:iris", "iris", "", ""),
        ("azureml:iris:3", "iris", "3", ""),
        ("azureml:iris:1.10", "iris", "1.10", ""),
        ("azureml:iris:2024-01-01T10:00", "iris", "2024-01-01T10:00", ""),
        ("azureml:iris@latest", "iris", "", "latest"),
        ("azureml:my-iris_2@best", "my-iris_2", "", "best"),
    ],
)
def test_an_asset_is_named_alone_with_a_version_or_with_a_label(text, name, version, label):
    assert reference(text) == Reference("/p", text, Address("data", name), version, label)


@pytest.mark.parametrize(
    ("text", "output", "path"),
    [
        ("azureml://jobs/train/outputs/model", "model", ""),
        ("azureml://jobs/train/outputs/model/paths", "model", ""),
        ("azureml://jobs/train/outputs/model/paths/", "model", ""),
        ("azureml://jobs/train/outputs/model/paths/a/b.txt", "model", "a/b.txt"),
    ],
)
def test_the_output_of_a_job_is_named_with_what_lies_below_it(text, output, path):
    assert reference(text) == Reference("/p", text, Address("job", "train"), output=output, path=path)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/x.csv",
        "wasbs://container@account.blob.core.windows.net/x",
        "azureml://datastores/store/paths/x",
        "azureml://registries/azureml/environments/sklearn/versions/5",
        "azureml:/subscriptions/s/resourceGroups/g",
        "git+https://example.org/x.git",
    ],
)
def test_what_is_elsewhere_is_neither_a_reference_nor_a_path(text):
    assert reference(text) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("x.csv", "jobs/x.csv"),
        ("./x", "jobs/x"),
        ("../src", "src"),
        ("..", "."),
        ("../..", ".."),
        ("a//b/", "jobs/a/b"),
    ],
)
def test_a_plain_string_is_a_path_from_the_folder_of_its_file(text, path):
    assert reference(text) == LocalPath("/p", text, path)


def test_where_no_path_may_stand_a_plain_string_is_nothing():
    assert parse_reference("/p", "local", "compute", None) is None


@given(st.text() | st.text().map(lambda text: f"azureml:{text}") | st.text().map(lambda text: f"azureml://{text}"))
def test_any_text_can_be_read(text):
    found = reference(text)
    assert found is None or found.text == text
    assert isinstance(found, LocalPath) or found is None or not (found.version and found.label)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["inputs", "path", "code", "x", "a/b"]), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["inputs", "path", "code", "environment", "compute"]), JSON))
def test_any_spec_can_be_searched_for_mentions(spec):
    for kind in kinds().values():
        for found in find_references_and_paths(spec, kind, "folder"):
            assert found.pointer.startswith("/")


def test_the_type_of_an_input_says_which_kind_its_reference_means():
    inputs = {
        "plain": {"path": "azureml:a@latest"},
        "file": {"type": "uri_file", "path": "azureml:b@latest"},
        "model": {"type": "mlflow_model", "path": "azureml:c@latest"},
        "a/b": {"path": "azureml:d:1"},
        "literal": 5,
    }
    found = {
        path.pointer: str(path.address)
        for path in find_references_and_paths({"inputs": inputs}, kinds()["job"], "jobs")
    }  # type: ignore[union-attr]
    assert found == {
        "/inputs/plain/path": "data/a",
        "/inputs/file/path": "data/b",
        "/inputs/model/path": "model/c",
        "/inputs/a~1b/path": "data/d",
    }


@pytest.mark.parametrize(
    ("kind", "pointer"),
    [
        ("component", ""),
        ("component", "/jobs/n/component"),
        ("job", "/jobs/n/component"),
        ("job", "/jobs/n/trial"),
    ],
)
def test_code_and_what_is_laid_out_beside_it_are_mentioned_wherever_a_component_is_written(kind, pointer):
    part: Any = {"code": "../src", "additional_includes": ["../lib/", "one.py"]}
    for key in reversed(pointer.split("/")[1:]):
        part = {key: part}
    assert list(find_references_and_paths(part, kinds()[kind], "jobs")) == [
        LocalPath(f"{pointer}/code", "../src", "src"),
        LocalPath(f"{pointer}/additional_includes/0", "../lib/", "lib", "lib"),
        LocalPath(f"{pointer}/additional_includes/1", "one.py", "jobs/one.py", "one.py"),
    ]


def test_a_zip_that_is_not_there_stands_for_the_folder_that_it_is_made_of():
    mention = LocalPath("/p", "lib.zip", "lib.zip", "lib.zip")
    assert resolve_zip_path(mention, tree_of({"lib/a.py": ""})) == LocalPath("/p", "lib.zip", "lib", "lib.zip")
    assert resolve_zip_path(mention, tree_of({"lib/a.py": "", "lib.zip": ""})) == mention
    assert resolve_zip_path(mention, tree_of({"other/a.py": ""})) == mention


def test_of_a_path_whose_name_does_not_count_a_zip_is_a_zip():
    mention = LocalPath("/code", "src.zip", "src.zip")
    assert resolve_zip_path(mention, tree_of({"src/a.py": ""})) == mention
