from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning.project import tree_of

from reconciler.format.kinds import kinds
from reconciler.format.references import find_references_and_paths, parse_reference, resolve_zip_path
from reconciler.model import Address, LocalPath, Reference

pytestmark = pytest.mark.fast


def parse(text: str, kind: str = "data") -> Any:
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
def test_an_asset_reference_has_a_version_a_label_or_neither(text, name, version, label):
    assert parse(text) == Reference("/p", text, Address("data", name), version, label)


@pytest.mark.parametrize(
    ("text", "output", "path"),
    [
        ("azureml://jobs/train/outputs/model", "model", ""),
        ("azureml://jobs/train/outputs/model/paths", "model", ""),
        ("azureml://jobs/train/outputs/model/paths/", "model", ""),
        ("azureml://jobs/train/outputs/model/paths/a/b.txt", "model", "a/b.txt"),
    ],
)
def test_a_job_output_reference_can_have_a_path_below_the_output(text, output, path):
    assert parse(text) == Reference("/p", text, Address("job", "train"), output=output, path=path)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/x.csv",
        "https://account.blob.core.windows.net/container/x?sig=of-its-own",
        "https://account.blob.core.windows.net.example.org/container/x",
        "https://account.blob.core.windows.net/",
        "azureml://registries/azureml/environments/sklearn/versions/5",
        "azureml:/subscriptions/s/resourceGroups/g",
        "git+https://example.org/x.git",
    ],
)
def test_a_uri_is_neither_a_reference_nor_a_path(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("wasbs://container@account.blob.core.windows.net/x", "", "x"),
        ("wasbs://account-name.blob.core.windows.net/container/x", "", "x"),
        ("https://account.blob.core.windows.net/container/x%20y/", "", "x y"),
        ("azureml://datastores/store/paths/a/b/", "store", "a/b"),
    ],
)
def test_a_uri_of_data_is_a_reference_to_its_datastore(text, name, path):
    assert parse(text) == Reference("/p", text, Address("datastore", name), path=path)


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
def test_a_plain_string_is_a_path_relative_to_the_folder_of_its_file(text, path):
    assert parse(text) == LocalPath("/p", text, path)


def test_a_plain_string_is_not_a_path_where_paths_are_not_allowed():
    assert parse_reference("/p", "local", "compute", None) is None


@given(st.text() | st.text().map(lambda text: f"azureml:{text}") | st.text().map(lambda text: f"azureml://{text}"))
def test_any_text_can_be_parsed(text):
    target = parse(text)
    assert target is None or target.text == text
    assert isinstance(target, LocalPath) or target is None or not (target.version and target.label)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["inputs", "path", "code", "x", "a/b"]), inner),
    max_leaves=10,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["inputs", "path", "code", "environment", "compute"]), JSON))
def test_any_spec_can_be_searched_for_references(spec):
    for kind in kinds().values():
        for target in find_references_and_paths(spec, kind, "folder"):
            assert target.pointer.startswith("/")


def test_the_type_of_an_input_decides_the_kind_of_its_reference():
    inputs = {
        "plain": {"path": "azureml:a@latest"},
        "file": {"type": "uri_file", "path": "azureml:b@latest"},
        "model": {"type": "mlflow_model", "path": "azureml:c@latest"},
        "a/b": {"path": "azureml:d:1"},
        "literal": 5,
    }
    references: Any = find_references_and_paths({"inputs": inputs}, kinds()["job"], "jobs")
    assert {reference.pointer: str(reference.address) for reference in references} == {
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
def test_code_and_additional_includes_are_found_wherever_a_component_is_written(kind, pointer):
    spec: Any = {"code": "../src", "additional_includes": ["../lib/", "one.py"]}
    for key in reversed(pointer.split("/")[1:]):
        spec = {key: spec}
    assert list(find_references_and_paths(spec, kinds()[kind], "jobs")) == [
        LocalPath(f"{pointer}/code", "../src", "src"),
        LocalPath(f"{pointer}/additional_includes/0", "../lib/", "lib", "lib"),
        LocalPath(f"{pointer}/additional_includes/1", "one.py", "jobs/one.py", "one.py"),
    ]


def test_a_missing_zip_include_resolves_to_the_folder_of_its_name():
    local_path = LocalPath("/p", "lib.zip", "lib.zip", "lib.zip")
    assert resolve_zip_path(local_path, tree_of({"lib/a.py": ""})) == LocalPath("/p", "lib.zip", "lib", "lib.zip")
    assert resolve_zip_path(local_path, tree_of({"lib/a.py": "", "lib.zip": ""})) == local_path
    assert resolve_zip_path(local_path, tree_of({"other/a.py": ""})) == local_path


def test_a_missing_zip_that_is_not_an_include_stays_a_zip():
    local_path = LocalPath("/code", "src.zip", "src.zip")
    assert resolve_zip_path(local_path, tree_of({"src/a.py": ""})) == local_path
