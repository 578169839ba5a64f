"""What is misspelt in mlgit.yml is an error at its line: settings of providers, patterns, names of computes."""

from __future__ import annotations

import pytest
from workspaces import edit, write

from reconciler.config.patterns import can_match_address

COMPUTE = "name: gpu-cluster\ntype: amlcompute\n"
SETTINGS = {
    "store: {paht: x}": ("unknown field paht in store", "did you mean path?"),
    "backends: {local: {type: local, hots: here}}": ("unknown field hots in local", "did you mean host?"),
    "backends: {local: {type: local, queue: fast}}": ("unknown field queue in local", ""),
    "backends: {local: {type: lokal}}": ("there is no backend 'lokal'", "did you mean local?"),
    "builders: {venv: {type: vemv}}": ("there is no builder 'vemv'", "did you mean venv?"),
    "builders: {venv: {type: venv, roott: x}}": ("unknown field roott in venv", ""),
    "compute: {'*': lokal}": ("compute * is bound to the unknown backend lokal", "did you mean local?"),
    "protect: ['modle/*']": ("modle/* can match no asset", "did you mean model?"),
    "protect: [model]": ("model can match no asset", "write model/* for all of them, or model/NAME"),
    "drift: {'dta/*': warn}": ("dta/* can match no asset", "did you mean data?"),
    "drift: {dta: warn}": ("dta can match no asset", "did you mean data?"),
    "moved: [{from: dtaa/x, to: dtaa/y}]": ("dtaa/x can match no asset", "did you mean data?"),
    "rules: {naem-illegal: warning}": ("the severity of naem-illegal cannot be changed", "did you mean name-illegal?"),
    "limits: {sumbit: 3}": ("unknown field sumbit", "did you mean submit?"),
}


def with_setting(text: str) -> str:
    """Return an mlgit.yml with one more setting, in its last line."""
    return f'state: {{name: small, lineage: "{"1" * 32}"}}\n{text}\n'


@pytest.mark.parametrize("command", ["validate", "plan"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_misspelt_in_mlgit_yml_is_an_error_at_its_line(small, mlgit, command, setting):
    message, hint = SETTINGS[setting]
    write(small, {"mlgit.yml": with_setting(setting)})
    ended = mlgit(command, cwd=small)
    printed = ended.out + ended.err
    (line,) = (line for line in printed.splitlines() if message in line)
    assert ended.code == 1
    assert line.startswith("mlgit.yml:2:")
    assert " error: " in line
    assert hint in printed


@pytest.mark.parametrize("setting", ["backends: {local: {type: local, hots: here}}", "protect: [model]"])
def test_a_named_mlgit_yml_is_checked_too(small, mlgit, setting):
    write(small, {"mlgit.yml": with_setting(setting)})
    ended = mlgit("validate", "mlgit.yml", cwd=small)
    assert (ended.code, "mlgit.yml:2:" in ended.out) == (1, True)


@pytest.mark.parametrize("setting", ["backends: {local: {type: local, hots: here}}", "protect: [model]"])
def test_what_is_misspelt_for_another_target_is_an_error_too(small, mlgit, setting):
    write(small, {"mlgit.yml": with_setting(f"targets: {{prod: {{{setting}}}}}")})
    ended = mlgit("plan", cwd=small)
    assert (ended.code, "mlgit.yml:2:" in ended.err) == (1, True)


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_compute_that_is_similar_to_one_that_a_file_declares_is_misspelt(small, mlgit, command):
    write(small, {"compute/gpu.yml": COMPUTE})
    edit(small, "mlgit.yml", '{"*": local}', '{"*": local, gpu-clutser: local}')
    ended = mlgit(command, cwd=small)
    printed = ended.out + ended.err
    assert ended.code == 1
    assert "mlgit.yml:4:23: error: no file declares or uses the compute gpu-clutser" in printed
    assert "did you mean gpu-cluster?" in printed


def test_a_compute_that_nothing_uses_yet_is_a_warning_of_validate(small, mlgit):
    edit(small, "mlgit.yml", '{"*": local}', '{"*": local, far-away: local}')
    validated, planned = mlgit("validate", cwd=small), mlgit("plan", cwd=small)
    assert "mlgit.yml:4:23: warning: no file declares or uses the compute far-away" in validated.out
    assert (validated.code, planned.code, planned.err) == (0, 0, "")


def test_a_protected_address_that_is_similar_to_a_declared_one_is_misspelt(small, mlgit):
    with (small / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("protect: [model/totl, data/elsewhere, model/total]\n")
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert "mlgit.yml:5:11: error: no file declares or uses model/totl" in ended.err
    assert "uses data/elsewhere" not in ended.err


def test_data_to_verify_that_no_file_declares_is_a_warning_of_validate_at_its_line(small, mlgit):
    with (small / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write("verify:\n  data/num*: full\n  data/gold-*: full\n  model/*: full\n")
    validated, planned = mlgit("validate", cwd=small), mlgit("plan", cwd=small)
    warnings = [line for line in validated.out.splitlines() if "no file declares or uses" in line]
    assert warnings == [
        "mlgit.yml:7:3: warning: no file declares or uses data/gold-* [pattern-unmatched]",
        "mlgit.yml:8:3: warning: no file declares or uses model/* [pattern-unmatched]",
    ]
    assert (validated.code, planned.code, planned.err) == (0, 0, "")


@pytest.mark.parametrize(
    ("glob", "message"),
    [
        ("data/nubmers", "no file declares or uses data/nubmers"),
        ("numbers", "numbers can match no asset: an address is KIND/NAME"),
    ],
)
def test_data_to_verify_that_is_misspelt_is_an_error(small, mlgit, glob, message):
    with (small / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(f"verify: {{{glob}: full}}\n")
    ended = mlgit("plan", cwd=small)
    assert ended.code == 1
    assert f"mlgit.yml:5:10: error: {message}" in ended.err


@pytest.mark.parametrize("glob", ["*", "*iris", "model/*", "m*/iris", "?odel/x", "[dm]*", "data-import/x", "model/a/b"])
def test_a_glob_that_an_address_can_match_is_accepted(glob):
    assert can_match_address(glob)


@pytest.mark.parametrize(
    "glob", ["model", "modle/*", "model/", "iris", "?/x", "[xy]*", "models/iris", "job:*", "Model/*"]
)
def test_a_glob_that_no_address_can_match_is_refused(glob):
    assert not can_match_address(glob)
