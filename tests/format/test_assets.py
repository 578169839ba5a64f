from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.world import SCHEMA, SUM, asset, declared_by, edited, small, tree_of, without

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import check_references, escalate_severities, load_assets
from reconciler.format.include import IncludeGlob
from reconciler.format.kinds import kinds
from reconciler.model import Address

COMPUTE = SCHEMA.format("amlCompute") + "name: cluster\ntype: amlcompute\nsize: one\n"


def problem(files: dict[str, str]) -> Diagnostic:
    (found,) = declared_by(files).diagnostics
    return found


def test_small_declares_its_assets():
    declared = declared_by(small())
    names = ["data/numbers", "environment/plain", "job/sum", "model/total", "workspace/small"]
    assert sorted(str(asset) for asset in declared.assets) == names
    assert declared.diagnostics == ()


def test_a_file_that_is_no_asset_is_left_alone():
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


def test_a_file_that_is_meant_to_be_an_asset_must_be_readable():
    assert problem({**small(), "bad.yml": SCHEMA.format("data") + "a: [\n"}).code == "yaml-syntax"
    found = declared_by({**small(), "bad.yml": SCHEMA.format("data") + "name: d\nname: e\n"})
    assert found.diagnostics[0].code == "yaml-duplicate-key"
    assert found.assets.keys() == declared_by(small()).assets.keys()


def test_what_is_ambiguous_in_a_file_is_all_that_is_said_of_it():
    text = small()["data/numbers.yml"].replace("name: numbers", "name: other") + "path: again.csv\n"
    found = declared_by({**small(), "data/other.yml": text})
    assert [diagnostic.code for diagnostic in found.diagnostics] == ["yaml-duplicate-key"]


def test_an_asset_of_a_kind_that_is_not_known_is_said_to_be_so():
    found = problem({**small(), "new.yml": SCHEMA.format("hologram") + "name: h\n"})
    assert (found.code, found.span) == ("kind-unknown", Span("new.yml", 1, 10))
    assert "exclude" in found.hint


def test_a_file_that_mlgit_yml_names_says_what_it_is():
    files = {**small(), "registry.yml": "name: shared\nlocation: East US\n"}
    assert declared_by(files).diagnostics == ()
    (found,) = load_assets(tree_of(files), [("registry.yml", IncludeGlob("registry.yml"))]).diagnostics
    assert (found.code, found.severity, found.span) == ("kind-unknown", Severity.WARNING, Span("registry.yml", 1, 1))
    assert "$schema" in found.hint


def test_a_file_whose_glob_gives_its_kind_is_held_to_that():
    files = {**small(), "registry.yml": "name: shared\nlocation: East US\n"}
    (found,) = load_assets(tree_of(files), [("registry.yml", IncludeGlob("registry.yml", kind="registry"))]).diagnostics
    assert (found.code, found.message) == ("field-missing", "the field replication_locations is missing")


def test_an_address_that_is_declared_twice_names_the_other_file():
    found = problem({**small(), "data/zz.yml": small()["data/numbers.yml"]})
    assert (found.code, found.span) == ("declared-twice", Span("data/zz.yml", 2, 7))
    assert "data/numbers.yml" in found.message


def test_a_dangling_reference_is_a_warning_where_the_live_state_is_not_known():
    (found,) = check_references(declared_by(edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:number@latest")))
    assert (found.code, found.severity) == ("reference-dangling", Severity.WARNING)
    assert found.span == Span("jobs/sum.yml", 8, 35)
    assert found.hint == "did you mean numbers?"


def test_a_dangling_reference_is_an_error_where_it_is_not_live_either():
    declared = declared_by(without("data/numbers.yml"))
    (found,) = check_references(declared, {})
    assert found.severity is Severity.ERROR
    assert check_references(declared, {Address("data", "numbers"): None}) == ()


def test_a_reference_to_a_file_with_an_error_is_not_wrong_too():
    declared = declared_by(edited("jobs/sum.yml", "command:", "comand:"))
    assert SUM in declared.invalid_addresses
    assert check_references(declared, {}) == check_references(declared) == ()


def test_a_secret_counts_as_an_error_before_anything_is_done():
    lowered = Diagnostic("secret-literal", "m", severity=Severity.WARNING)
    other = Diagnostic("path-missing", "m", severity=Severity.WARNING)
    assert [diagnostic.severity for diagnostic in escalate_severities([lowered, other])] == [
        Severity.ERROR,
        Severity.WARNING,
    ]


def test_a_path_that_is_not_in_git_is_shown_at_its_line():
    found = problem(edited("data/numbers.yml", "path: numbers.csv", "path: nowhere.csv"))
    assert (found.code, found.span) == ("path-missing", Span("data/numbers.yml", 4, 7))
    assert "data/nowhere.csv" in found.message


@pytest.mark.parametrize("path", ["../../x", "../..", "/etc/passwd"])
def test_a_path_out_of_the_repository_is_refused(path):
    found = problem(edited("data/numbers.yml", "path: numbers.csv", f"path: {path}"))
    assert (found.code, found.span) == ("path-outside", Span("data/numbers.yml", 4, 7))


@pytest.mark.parametrize("typed", ["1.10", "010", "1_0", "2024-01-01"])
def test_a_version_that_yaml_reads_as_another_number_is_shown_as_it_was_typed(typed):
    found = problem(edited("data/numbers.yml", "type:", f"version: {typed}\ntype:"))
    assert (found.code, found.span) == ("version-ambiguous", Span("data/numbers.yml", 3, 10))
    assert found.hint == f'write version: "{typed}"'


@pytest.mark.parametrize(("typed", "version"), [("1", "1"), ('"1.10"', "1.10"), ("1.5", "1.5"), ("1e1", "1e1")])
def test_a_version_that_is_clear_is_taken_as_it_stands(typed, version):
    files = edited("data/numbers.yml", "type:", f"version: {typed}\ntype:")
    assert asset(files, Address("data", "numbers")).version == version


def test_fewest_instances_are_not_more_than_most():
    found = problem({**small(), "c.yml": COMPUTE + "min_instances: 3\nmax_instances: 2\n"})
    assert (found.code, found.span) == ("instances-order", Span("c.yml", 5, 16))
    assert declared_by({**small(), "c.yml": COMPUTE + "min_instances: 2\nmax_instances: 2\n"}).diagnostics == ()


def test_the_command_uses_only_inputs_and_outputs_that_are_declared():
    found = problem(edited("jobs/sum.yml", "${{inputs.factor}}", "${{inputs.factr}} ${{ inputs.numbers }}"))
    assert (found.code, found.span) == ("expression-undeclared", Span("jobs/sum.yml", 3, 44))
    assert "${{inputs.factr}}" in found.message
    assert found.hint == "did you mean factor?"
    gone = edited("jobs/sum.yml", "outputs:\n  total: {type: uri_folder}\n", "")
    assert "outputs does not declare" in problem(gone).message


def test_a_job_without_a_name_is_named_after_its_file():
    files = edited("jobs/sum.yml", "name: sum\n", "")
    assert asset(files, Address("job", "jobs/sum")).source == "jobs/sum.yml"


def test_everything_that_is_wrong_in_all_files_is_said_in_one_run():
    files = edited("jobs/sum.yml", "command:", "comand:", edited("data/numbers.yml", "uri_file", "uri_fil"))
    found = declared_by({**files, "c.yml": COMPUTE.replace("size", "sze")}).diagnostics
    assert {each.span.path for each in found if each.span} == {"jobs/sum.yml", "data/numbers.yml", "c.yml"}


def test_a_conda_file_stands_in_the_place_of_its_name():
    inline = asset(small(), Address("environment", "plain"))
    named = edited("environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    named["environments/conda.yml"] = 'dependencies:\n- "python>=3.11"\n'
    assert asset(named, inline.address).spec == inline.spec


def test_a_conda_file_that_is_missing_or_broken_is_shown_where_it_is():
    named = edited("environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    assert problem(named).span == Span("environments/plain.yml", 4, 13)
    found = problem({**named, "environments/conda.yml": "dependencies: [\n"})
    assert found.span is not None
    assert found.span.path == "environments/conda.yml"


def test_whether_a_job_runs_by_itself_is_said_by_who_chose_the_file():
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
    kept = "".join(line for line in files[path].splitlines(keepends=True) if not line.startswith((f"{name}:", "  ")))
    files[path] = f"{kept}{name}: {_flow(value)}\n"
    declared = declared_by(files)
    assert path in {asset.source for asset in declared.assets.values()} or declared.diagnostics
    check_references(declared)


def _flow(value: object) -> str:
    """Write a value on one line, as a person would."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return json.dumps("".join(filter(str.isprintable, value)) if isinstance(value, str) else value, ensure_ascii=False)
