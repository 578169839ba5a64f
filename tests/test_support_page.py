"""docs/support.md says what the tables say, and the tables name only what the schemas have."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from reconciler.backends import BACKENDS
from reconciler.builders import BUILDERS
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.schema_leaves import schema_leaves
from reconciler.planning.jobs.parallel_fields import PARALLEL_FIELDS
from reconciler.planning.jobs.support import PARALLEL_SUPPORT
from reconciler.planning.support import OWN_SUPPORT
from reconciler.storage.datastores import DATASTORES

pytestmark = pytest.mark.fast

DOCS = Path(__file__).parent.parent / "docs"
TABLES = {
    **{f"backend {name}": BACKENDS.load(name).support for name in BACKENDS.names()},
    **{f"builder {name}": BUILDERS.load(name).support for name in BUILDERS.names()},
    **{f"datastore {name}": DATASTORES.load(name).support for name in DATASTORES.names()},
    "mlgit": OWN_SUPPORT,
}
ENTRIES = [
    (name, kind, entry)
    for name, table in TABLES.items()
    for kind in (*table.honoured, *table.ignored)
    for entry in table.entries(kind)
]


def matches(pattern: str, pointer: str) -> bool:
    """Return True if a pattern names a leaf, or something that contains it."""
    parts, keys = pattern.split("/"), pointer.split("/")
    return len(parts) <= len(keys) and all(part in ("*", key) for part, key in zip(parts, keys, strict=False))


def test_the_page_of_what_is_supported_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_support", DOCS / "make_support.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "support.md").read_text("utf-8") == module.page(), "run `make docs`"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "entry"), ENTRIES, ids=lambda value: getattr(value, "pointer", str(value)))
def test_no_entry_of_a_table_is_without_a_leaf_of_the_schema(name, kind, entry):
    assert any(matches(entry.pointer, pointer) for pointer in schema_leaves(kind)), f"{name}: {entry}"


@pytest.mark.parametrize("entry", PARALLEL_SUPPORT.entries("job"), ids=lambda entry: entry.pointer)
def test_no_entry_about_parallel_nodes_is_without_a_leaf_of_the_schema(entry):
    leaves = schema_leaves("component", "parallel")
    pointer = "/task/program_arguments" if entry.pointer.startswith("/program_arguments/") else entry.pointer
    assert any(matches(pointer, leaf) for leaf in leaves)


def test_every_field_of_parallel_nodes_is_named():
    named = {entry.pointer for entry in PARALLEL_SUPPORT.entries("job")}
    own = {pointer for pointer in schema_leaves("component", "parallel") if pointer.split("/")[1] in PARALLEL_FIELDS}
    elsewhere = ("/task/environment", "/task/code", "/task/program_arguments")
    others = {pointer for pointer in own if pointer not in named and not pointer.startswith(elsewhere)}
    assert others == {"/task", "/task/model"}  # the first one is of automl


@pytest.mark.parametrize("kind", kinds())
def test_no_descriptive_field_that_a_kind_adds_is_without_a_leaf_of_the_schema(kind):
    leaves = schema_leaves(kind)
    own = kind_by_name(kind).descriptive_fields - kinds()["schedule"].descriptive_fields
    assert {pointer for pointer in own if not any(matches(pointer, leaf) for leaf in leaves)} == set()


@pytest.mark.parametrize(("name", "kind", "entry"), ENTRIES, ids=lambda value: getattr(value, "pointer", str(value)))
def test_the_values_of_an_entry_are_values_of_the_schema_in_lower_case(name, kind, entry):
    for value in entry.values:
        assert value == value.casefold()
    assert len(set(entry.values)) == len(entry.values)
