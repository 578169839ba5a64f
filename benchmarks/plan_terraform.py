"""The same for Terraform: N built-in resources in groups, with a state in which all of them exist already.

Built-in resources call no service, so this is the cost of planning alone. The state is written as an apply would have
left it, because applying N resources takes Terraform time that grows with the square of N.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path

STEPS = {
    "no_change": ["plan", "-no-color", "-input=false"],
    "one_change": ["plan", "-no-color", "-input=false", "-var", "bump=7"],
    "cold": ["plan", "-no-color", "-input=false", "-state=absent.tfstate"],
}
FILE = 100  # resources in one file
HEAD = 'variable "bump" {\n  type    = number\n  default = 1\n}\n'


def write_configuration(folder: Path, count: int) -> Path:
    """Write the configuration and its state."""
    folder.mkdir(parents=True)
    (folder / "variables.tf").write_text(HEAD, encoding="utf-8")
    for first in range(0, count, FILE):
        resources = (_resource(number, count) for number in range(first, min(first + FILE, count)))
        (folder / f"a{first:06}.tf").write_text("\n".join(resources), encoding="utf-8")
    (folder / "terraform.tfstate").write_text(json.dumps(_state(count)), encoding="utf-8")
    program = shutil.which("terraform")
    assert program is not None
    subprocess.run([program, "init", "-no-color", "-input=false"], cwd=folder, check=True, capture_output=True)
    return folder


def _upstream(number: int) -> int | None:
    """Return the dependency of a resource: groups of ten, a head on the root, a chain of four, a fan of five."""
    if number == 0:
        return None
    group, position = divmod(number - 1, 10)
    return 0 if position == 0 else number - 1 if position < 5 else group * 10 + 1  # noqa: PLR2004


def _resource(number: int, count: int) -> str:
    upstream = _upstream(number)
    depends = "" if upstream is None else f"terraform_data.r{upstream}.id"
    version = "var.bump" if number == count - 1 else "1"
    return f"""resource "terraform_data" "r{number}" {{
  input = {{
    name    = "r{number}"
    version = {version}
    path    = "azureml://datastores/ds{number % 7}/paths/p/r{number}"
    tags    = {{ team = "t{number % 13}", stage = "dev" }}
    deps    = [{depends}]
  }}
}}
"""


def _state(count: int) -> dict[str, object]:
    ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"r{number}")) for number in range(count)]
    above: list[list[int]] = []
    for number in range(count):
        upstream = _upstream(number)
        above.append([] if upstream is None else sorted({upstream, *above[upstream]}))
    resources = [_instance(number, ids, above[number]) for number in range(count)]
    lineage = str(uuid.uuid5(uuid.NAMESPACE_URL, "state"))
    head = {"version": 4, "terraform_version": "1.4.0", "serial": count, "lineage": lineage, "outputs": {}}
    return {**head, "resources": resources, "check_results": None}


def _instance(number: int, ids: list[str], above: list[int]) -> dict[str, object]:
    upstream = _upstream(number)
    value = {
        "name": f"r{number}",
        "version": 1,
        "path": f"azureml://datastores/ds{number % 7}/paths/p/r{number}",
        "tags": {"team": f"t{number % 13}", "stage": "dev"},
        "deps": [] if upstream is None else [ids[upstream]],
    }
    tuples = ["tuple", ["string"] * len(value["deps"])]  # type: ignore[arg-type]
    tags = ["object", {"team": "string", "stage": "string"}]
    sort = ["object", {"name": "string", "version": "number", "path": "string", "tags": tags, "deps": tuples}]
    typed = {"value": value, "type": sort}
    attributes = {"id": ids[number], "input": typed, "output": typed, "triggers_replace": None}
    instance = {"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}
    if above:
        instance["dependencies"] = [f"terraform_data.r{index}" for index in above]
    provider = 'provider["terraform.io/builtin/terraform"]'
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": f"r{number}",
        "provider": provider,
        "instances": [instance],
    }
