from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import SCHEMA, SUM, asset, declared_by, edited, small, tree_of, without

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import check_references, escalate_severities
from reconciler.format.include import IncludeGlob
from reconciler.format.kinds import kinds
from reconciler.format.load import load_assets
from reconciler.model import Address

COMPUTE = SCHEMA.format("amlCompute") + "name: cluster\ntype: amlcompute\nsize: one\n"


def single_diagnostic(files: dict[str, str]) -> Diagnostic:
    (diagnostic,) = declared_by(files).diagnostics
    return diagnostic


def test_the_small_workspace_declares_its_assets():
    declared = declared_by(small())
    names = ["data/numbers", "environment/plain", "job/sum", "model/total", "workspace/small"]
    assert sorted(str(asset) for asset in declared.assets) == names
    assert declared.diagnostics == ()


def test_files_that_are_not_assets_are_ignored():
    files = {
        **small(),
        "ci.yml": "on: push\n",
        "broken.yml": "a: [\n",
        "list.yml": "- 1\n",
        "empty.yml": "",
        "latin.yml": "é",
    }
    assert declared_by(files).assets.keys() == declared_by(small()).assets.keys()
    assert declared_by({**files, "latin.yml": "é".encode("latin-1")}).diagnostics == ()


def test_a_file_with_an_azure_ml_schema_must_be_valid_yaml():
    assert single_diagnostic({**small(), "bad.yml": SCHEMA.format("data") + "a: [\n"}).code == "yaml-syntax"
    declared = declared_by({**small(), "bad.yml": SCHEMA.format("data") + "name: d\nname: e\n"})
    assert declared.diagnostics[0].code == "yaml-duplicate-key"
    assert declared.assets.keys() == declared_by(small()).assets.keys()


def test_a_duplicate_key_is_the_only_diagnostic_of_its_file():
    text = small()["data/numbers.yml"].replace("name: numbers", "name: other") + "path: again.csv\n"
    declared = declared_by({**small(), "data/other.yml": text})
    assert [diagnostic.code for diagnostic in declared.diagnostics] == ["yaml-duplicate-key"]


def test_a_schema_of_an_unknown_kind_is_reported():
    diagnostic = single_diagnostic({**small(), "new.yml": SCHEMA.format("hologram") + "name: h\n"})
    assert (diagnostic.code, diagnostic.span) == ("kind-unknown", Span("new.yml", 1, 10))
    assert "newer mlgit" in diagnostic.hint


def test_a_file_that_mlgit_yml_names_must_show_its_kind():
    files = {**small(), "registry.yml": "name: shared\nlocation: East US\n"}
    assert declared_by(files).diagnostics == ()
    (diagnostic,) = load_assets(tree_of(files), [("registry.yml", IncludeGlob("registry.yml"))]).diagnostics
    assert (diagnostic.code, diagnostic.severity, diagnostic.span) == (
        "kind-unknown",
        Severity.WARNING,
        Span("registry.yml", 1, 1),
    )
    assert "$schema" in diagnostic.hint


def test_a_file_whose_glob_gives_the_kind_is_validated_as_that_kind():
    files = {**small(), "registry.yml": "name: shared\nlocation: East US\n"}
    (diagnostic,) = load_assets(
        tree_of(files), [("registry.yml", IncludeGlob("registry.yml", kind="registry"))]
    ).diagnostics
    assert (diagnostic.code, diagnostic.message) == ("field-missing", "the field replication_locations is missing")


def test_an_address_that_is_declared_twice_is_reported_with_the_other_file():
    diagnostic = single_diagnostic({**small(), "data/zz.yml": small()["data/numbers.yml"]})
    assert (diagnostic.code, diagnostic.span) == ("declared-twice", Span("data/zz.yml", 2, 7))
    assert "data/numbers.yml" in diagnostic.message


def test_a_dangling_reference_is_a_warning_if_the_live_state_is_unknown():
    (diagnostic,) = check_references(
        declared_by(edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:number@latest"))
    )
    assert (diagnostic.code, diagnostic.severity) == ("reference-dangling", Severity.WARNING)
    assert diagnostic.span == Span("jobs/sum.yml", 8, 35)
    assert diagnostic.hint == "did you mean numbers?"


def test_a_dangling_reference_is_an_error_if_its_asset_is_not_live():
    declared = declared_by(without("data/numbers.yml"))
    (diagnostic,) = check_references(declared, {})
    assert diagnostic.severity is Severity.ERROR
    assert check_references(declared, {Address("data", "numbers"): None}) == ()


def test_a_reference_to_an_invalid_file_is_not_dangling():
    declared = declared_by(edited("jobs/sum.yml", "command:", "comand:"))
    assert SUM in declared.invalid_addresses
    assert check_references(declared, {}) == check_references(declared) == ()


def test_a_literal_secret_is_always_an_error_when_planning():
    lowered = Diagnostic("secret-literal", "m", severity=Severity.WARNING)
    other = Diagnostic("path-missing", "m", severity=Severity.WARNING)
    assert [diagnostic.severity for diagnostic in escalate_severities([lowered, other])] == [
        Severity.ERROR,
        Severity.WARNING,
    ]


def test_a_missing_path_is_reported_at_its_line():
    diagnostic = single_diagnostic(edited("data/numbers.yml", "path: numbers.csv", "path: nowhere.csv"))
    assert (diagnostic.code, diagnostic.span) == ("path-missing", Span("data/numbers.yml", 4, 7))
    assert "data/nowhere.csv" in diagnostic.message


@pytest.mark.parametrize("path", ["../../x", "../..", "/etc/passwd"])
def test_a_path_out_of_the_repository_is_refused(path):
    diagnostic = single_diagnostic(edited("data/numbers.yml", "path: numbers.csv", f"path: {path}"))
    assert (diagnostic.code, diagnostic.span) == ("path-outside", Span("data/numbers.yml", 4, 7))


@pytest.mark.parametrize("typed", ["1.10", "010", "1_0", "2024-01-01"])
def test_a_version_that_yaml_reads_as_a_different_number_is_reported_as_written(typed):
    diagnostic = single_diagnostic(edited("data/numbers.yml", "type:", f"version: {typed}\ntype:"))
    assert (diagnostic.code, diagnostic.span) == ("version-ambiguous", Span("data/numbers.yml", 3, 10))
    assert diagnostic.hint == f'write version: "{typed}"'


@pytest.mark.parametrize(("typed", "version"), [("1", "1"), ('"1.10"', "1.10"), ("1.5", "1.5"), ("1e1", "1e1")])
def test_an_unambiguous_version_is_accepted_as_written(typed, version):
    files = edited("data/numbers.yml", "type:", f"version: {typed}\ntype:")
    assert asset(files, Address("data", "numbers")).version == version


def test_min_instances_must_not_exceed_max_instances():
    diagnostic = single_diagnostic({**small(), "c.yml": COMPUTE + "min_instances: 3\nmax_instances: 2\n"})
    assert (diagnostic.code, diagnostic.span) == ("instances-order", Span("c.yml", 5, 16))
    assert declared_by({**small(), "c.yml": COMPUTE + "min_instances: 2\nmax_instances: 2\n"}).diagnostics == ()


def test_a_command_may_use_declared_inputs_and_outputs_only():
    diagnostic = single_diagnostic(
        edited("jobs/sum.yml", "${{inputs.factor}}", "${{inputs.factr}} ${{ inputs.numbers }}")
    )
    assert (diagnostic.code, diagnostic.span) == ("expression-undeclared", Span("jobs/sum.yml", 3, 44))
    assert "${{inputs.factr}}" in diagnostic.message
    assert diagnostic.hint == "did you mean factor?"
    without_outputs = edited("jobs/sum.yml", "outputs:\n  total: {type: uri_folder}\n", "")
    assert "not declared under outputs:" in single_diagnostic(without_outputs).message


def test_a_job_without_a_name_is_named_after_its_file():
    files = edited("jobs/sum.yml", "name: sum\n", "")
    assert asset(files, Address("job", "jobs/sum")).source == "jobs/sum.yml"


def test_errors_of_all_files_are_reported_together():
    files = edited("jobs/sum.yml", "command:", "comand:", edited("data/numbers.yml", "uri_file", "uri_fil"))
    diagnostics = declared_by({**files, "c.yml": COMPUTE.replace("size", "sze")}).diagnostics
    assert {diagnostic.span.path for diagnostic in diagnostics if diagnostic.span} == {
        "jobs/sum.yml",
        "data/numbers.yml",
        "c.yml",
    }


def test_a_conda_file_is_inlined():
    inline = asset(small(), Address("environment", "plain"))
    named = edited("environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    named["environments/conda.yml"] = 'dependencies:\n- "python>=3.11"\n'
    assert asset(named, inline.address).spec == inline.spec


def test_a_missing_conda_file_is_reported_at_its_name_and_an_invalid_one_in_its_file():
    named = edited("environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    assert single_diagnostic(named).span == Span("environments/plain.yml", 4, 13)
    diagnostic = single_diagnostic({**named, "environments/conda.yml": "dependencies: [\n"})
    assert diagnostic.span is not None
    assert diagnostic.span.path == "environments/conda.yml"


def test_the_glob_decides_whether_a_job_runs_on_change():
    assert not declared_by(small(), runs=False).assets[SUM].runs_on_change


TEXT = st.text(alphabet="ab:-{}[]\n \"'&*!#$", max_size=40)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(name for kind in kinds().values() for name in kind.schema_pattern)),
    TEXT,
    st.binary(max_size=20),
)
def test_any_file_gives_an_asset_or_a_diagnostic_and_never_raises(schema, text, tail):
    raw = (SCHEMA.format(schema) + "name: x\n" + text).encode() + tail
    tree = tree_of({"f.yml": raw})
    declared = load_assets(tree, [("f.yml", IncludeGlob(""))])
    assert declared.assets or declared.diagnostics


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["path", "type", "x", "version"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_any_field_gives_an_asset_or_a_diagnostic_and_never_raises(data):
    path = data.draw(st.sampled_from(sorted(name for name in small() if name.endswith(".yml") and name != "mlgit.yml")))
    fields = [
        "version",
        "description",
        "tags",
        "code",
        "inputs",
        "outputs",
        "environment",
        "compute",
        "path",
        "command",
    ]
    fields += ["conda_file", "min_instances", "max_instances"]
    files = small()
    name, value = data.draw(st.sampled_from(fields)), data.draw(VALUES)
    other_lines = "".join(
        line for line in files[path].splitlines(keepends=True) if not line.startswith((f"{name}:", "  "))
    )
    files[path] = f"{other_lines}{name}: {_flow(value)}\n"
    declared = declared_by(files)
    assert path in {asset.source for asset in declared.assets.values()} or declared.diagnostics
    check_references(declared)


def _flow(value: object) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return json.dumps("".join(filter(str.isprintable, value)) if isinstance(value, str) else value, ensure_ascii=False)
