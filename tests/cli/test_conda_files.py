"""validate and plan report a conda file that nobody can read, or that the builder cannot install, at its line."""

from __future__ import annotations

import pytest
from workspaces import write

ENVIRONMENT = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: own\nimage: ubuntu\n"
MALFORMED = {
    "- python\n- pip\n": "1:1: error: this must be a mapping, not a list",
    "dependencies:\n  - python>=3.11\n  - pip:\n      six\n": '4:7: error: this must be a list or nothing, not "six"',
    "dependencies: six\n": "1:15: error: this must be a list or nothing",
    "dependencies:\n  - pip:\n    - six\n    - {a: b}\n": "4:7: error: this must be a string, not a mapping",
    "dependencies:\n  - 3.11\n": "2:5: error: this must be a string or a mapping, not 3.11",
    "dependencies:\n  - npm: [x]\n": "2:5: error:",
    "variables: [a]\n": "1:12: error: this must be a mapping or nothing",
    "python\n": "1:1: error: this must be a mapping",
}
REFUSED = {
    "dependencies:\n  - python>=3.11\n  - cudatoolkit\n": "3:5: error: environment/own: the venv builder",
    "dependencies:\n  - python>=3.11\n  - pip:\n    - -r r.txt\n": "4:7: error: environment/own: the pip option '-r'",
    "dependencies:\n  - python>=3.11\n  - python<3.10\n": "3:5: error: environment/own: python>=3.11 and python<3.10",
    "dependencies:\n  - python=3.99\n": "2:5: warning: environment/own: there is no Python 3.99",
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((text, "conda.yml") for text in (*MALFORMED, *REFUSED)),
        *((text, name) for name in ("packages.txt", "sub/conda.yaml") for text in list(REFUSED)[:1]),
    ],
)
def test_validate_and_plan_report_the_line_of_the_conda_file(text, name, small, mlgit):
    expected = {**MALFORMED, **REFUSED}[text]
    write(small, {"environments/own.yml": f"{ENVIRONMENT}conda_file: {name}\n", f"environments/{name}": text})
    validated, planned = mlgit("validate", cwd=small), mlgit("plan", cwd=small)
    assert f"environments/{name}:{expected}" in validated.out
    assert f"environments/{name}:{expected}" in planned.out + planned.err
    assert validated.code == planned.code == int(": error:" in expected)


@pytest.mark.parametrize("text", MALFORMED)
def test_without_a_workspace_the_form_of_a_conda_file_is_checked(text, tmp_path, mlgit):
    write(tmp_path, {"e.yml": f"{ENVIRONMENT}conda_file: file:c.yml\n", "c.yml": text})
    ended = mlgit("validate", ".", cwd=tmp_path)
    assert (ended.code, f"c.yml:{MALFORMED[text]}" in ended.out) == (1, True)


def test_the_content_of_conda_file_is_checked_in_place(tmp_path, small, mlgit):
    inline = f"{ENVIRONMENT}conda_file:\n  dependencies:\n    - python>=3.11\n    - pip: six\n"
    write(tmp_path, {"e.yml": inline})
    assert "e.yml:7:12: error: this must be a list or nothing" in mlgit("validate", ".", cwd=tmp_path).out
    write(small, {"environments/own.yml": inline.replace("pip: six", "cudatoolkit")})
    assert "environments/own.yml:7:7: error: environment/own: the venv" in mlgit("validate", cwd=small).out


def test_the_conda_file_of_an_inline_environment_is_checked(tmp_path, mlgit):
    job = "command: x\ncompute: azureml:c\nenvironment: {image: x, conda_file: c.yml}\n"
    write(tmp_path, {"job.yml": job, "c.yml": "dependencies: {a: b}\n"})
    assert (
        "c.yml:1:15: error: this must be a list or nothing, not a mapping" in mlgit("validate", ".", cwd=tmp_path).out
    )


def test_a_rule_of_mlgit_yml_lowers_what_the_builder_cannot_do(small, mlgit):
    write(small, {"environments/own.yml": f"{ENVIRONMENT}conda_file: {{dependencies: [cudatoolkit]}}\n"})
    config = small / "mlgit.yml"
    config.write_text(f"{config.read_text('utf-8')}rules: {{builder-cannot: warning}}\n", "utf-8")
    ended = mlgit("validate", cwd=small)
    assert (ended.code, "warning: environment/own: the venv builder cannot install" in ended.out) == (0, True)
