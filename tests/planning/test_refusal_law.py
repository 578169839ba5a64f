"""The refusal law: what a file says either has an effect, or the plan names it at its line.

Any leaf of the schema of a kind is set to a value that is not its default. The effects of what providers honour are
shown by ``tests/engine/test_honoured_fields.py``; the tables are no proof of themselves.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from honoured import HONOURED, NUMBER
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from planning.project import SCHEMA, InMemoryProject, small

from reconciler.format.document import Document
from reconciler.format.kinds import kinds
from reconciler.format.pointers import escape_key, split_pointer
from reconciler.format.schema_leaves import SchemaLeaf, is_default_value, schema_leaves
from reconciler.format.schemas import is_valid_for_schema
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, Plan

pytestmark = pytest.mark.fast

# Fields of an asset's identity, and what the service writes.
IDENTITY = {"/$schema", "/id", "/name", "/version"}
# What mlgit registers itself: the record is what a field has an effect on.
REGISTERED = ("data", "model", "component")
# What only says how an asset is called, and what type it has: a plan records it.
DESCRIPTIVE = {
    *("/display_name", "/description", "/tags", "/properties", "/type"),
    *("/experiment_name",),
}
COSMETIC = {"/conda_file/name", "/conda_file/prefix"}
NOT_RECORDED = {
    *("/$schema", "/name", "/version", "/id", "/comment", "/auto_delete_setting/value"),
    *("/auto_delete_setting/condition", "/creation_context", "/latest_version"),
}
COMPONENT = {"name": "part", "type": "command", "command": "python a.py", "environment": "azureml:plain@latest"}
COMPUTES = {
    "amlcompute": {"size": "Standard_DS3_v2"},
    "computeinstance": {},
    "kubernetes": {
        "resource_id": f"/subscriptions/{'1' * 8}-1111-1111-1111-{'1' * 12}/resourceGroups/g/providers/P/t/n"
    },
}
EXTRA_FILES = {
    "component/part.yml": SCHEMA.format("commandComponent") + yaml.safe_dump(COMPONENT),
    **{
        f"compute/{name}.yml": SCHEMA.format(name) + yaml.safe_dump({"name": name, "type": name, **fields})
        for name, fields in COMPUTES.items()
    },
}
JOB = {
    "command": "python a.py",
    "environment": "azureml:plain@latest",
    "code": "../src",
    "inputs": {"numbers": {"type": "uri_file"}},
    "outputs": {"total": {"type": "uri_folder"}},
}
PIPELINE: dict[str, Any] = {
    "name": "pipe",
    "type": "pipeline",
    "settings": {"default_compute": "azureml:local"},
    "inputs": {"numbers": {"type": "uri_file", "path": "azureml:numbers@latest"}},
    "outputs": {"total": {"type": "uri_folder"}},
    "jobs": {
        "some_name": {
            "type": "command",
            "component": JOB,
            "inputs": {"numbers": "${{parent.inputs.numbers}}"},
            "outputs": {"total": "${{parent.outputs.total}}"},
        }
    },
}
SWEEP: dict[str, Any] = {
    "name": "tune",
    "type": "sweep",
    "compute": "azureml:local",
    "trial": {"command": "python a.py ${{search_space.some_name}}", "environment": "azureml:plain@latest"},
    "inputs": {"numbers": {"type": "uri_file", "path": "azureml:numbers@latest"}},
    "outputs": {"total": {"type": "uri_folder"}},
    "sampling_algorithm": "random",
    "search_space": {"some_name": {"type": "uniform", "min_value": 1, "max_value": 2}},
    "objective": {"goal": "minimize", "primary_metric": "loss"},
    "limits": {"max_total_trials": 2},
}
TUNE = {key: value for key, value in SWEEP.items() if key not in ("name", "trial", "compute", "outputs")}
PIPELINE["jobs"]["tune"] = {**TUNE, "trial": {**copy.deepcopy(JOB), "command": SWEEP["trial"]["command"]}}
# The fields of a sweep in a pipeline, whose node is `tune`.
OF_TUNE = ("trial", "search_space", "sampling_algorithm", "objective", "early_termination")
COMPOSITES = {"pipeline": "jobs/pipe.yml", "sweep": "jobs/tune.yml"}
# What has an effect on a pipeline or a sweep besides what has one on a command: tests/planning/test_lowering.py,
# test_step_forecasts.py, tests/engine/test_driver.py and tests/sweeps show it.
PORT_FIELDS = ("optional", "default", "enum", "min", "max")
OF_COMPOSITES = {
    "pipeline": (
        *("/settings/default_compute", "/settings/continue_on_step_failure", "/settings/force_rerun"),
        *("/jobs/*/type", "/jobs/*/component", "/component/is_deterministic", "/component/additional_includes"),
        *(f"/component/inputs/*/{name}" for name in PORT_FIELDS),
    ),
    "sweep": (
        *("/search_space", "/objective", "/sampling_algorithm", "/early_termination", "/limits/max_total_trials"),
        *("/limits/max_concurrent_trials", "/limits/trial_timeout", "/trial/is_deterministic"),
        *("/trial/additional_includes", *(f"/trial/inputs/*/{name}" for name in PORT_FIELDS)),
    ),
}
FILES = {
    **small(),
    **EXTRA_FILES,
    "jobs/pipe.yml": SCHEMA.format("pipelineJob") + yaml.safe_dump(PIPELINE, sort_keys=False),
    "jobs/tune.yml": SCHEMA.format("sweepJob") + yaml.safe_dump(SWEEP, sort_keys=False),
}
BASES = {
    **{kind: [path] for kind, path in COMPOSITES.items()},
    "job": ["jobs/sum.yml"],
    "environment": ["environments/plain.yml"],
    "data": ["data/numbers.yml"],
    "model": ["models/total.yml"],
    "workspace": ["workspace.yml"],
    "component": ["component/part.yml"],
    "compute": [f"compute/{name}.yml" for name in COMPUTES],
}
# What else a mapping must have, by the pointer of the mapping.
SIBLINGS: Mapping[str, list[dict[str, Any]]] = {
    "/identity": [{"type": name} for name in ("managed", "user_identity", "system_assigned")],
    "/distribution": [{"type": name} for name in ("pytorch", "mpi", "tensorflow", "ray")],
    "/services/*": [{"type": name} for name in ("ssh", "tensor_board", "vs_code", "jupyter_lab")],
    "/inputs/*": [{"type": "uri_folder", "path": "azureml:numbers@latest"}, {}],
    "/outputs/*": [{"type": "uri_folder"}, {"name": "registered"}],
    "/build": [{"path": "."}],
    "/inference_config": [
        {name: {"port": 80, "path": "/"} for name in ("liveness_route", "readiness_route", "scoring_route")}
    ],
}
TEXTS = ["text", "4", "azureml:numbers@latest", "linux", "30d", "azureml://datastores/blob/paths/x", "/x"]
LEAVES_OF = {"job": ("job", "command"), **{kind: ("job", kind) for kind in COMPOSITES}}
LEAVES = {
    kind: [
        leaf
        for leaf in schema_leaves(*LEAVES_OF.get(kind, (kind, ""))).values()
        if not leaf.is_read_only and leaf.pointer not in IDENTITY and "/task" not in leaf.pointer
    ]
    for kind in BASES
}


def candidates(leaf: SchemaLeaf) -> Iterator[Any]:
    """Yield values that a schema may allow for a leaf."""
    for schema in leaf.schemas:
        yield from (*schema.get("enum", ()), *schema.get("examples", ()))
    yield from (*TEXTS, 3, 0.5, True, False, ["text"], {"key": "text"}, {"key": 1}, [{"key": "text"}])


def with_leaf(data: Any, keys: list[str], value: Any, siblings: Mapping[str, Any], parent: int) -> Any:
    """Return data with a leaf set; ``siblings`` are set beside it in the mapping ``parent`` levels down."""
    if not keys:
        return value
    head, *rest = keys
    inner = data if isinstance(data, dict) else {}
    inner = {**siblings, **inner} if parent == 0 else inner
    if parent == 0 and siblings.get("type") and head != "type":
        inner = {**inner, **siblings}
    return {**inner, head: with_leaf(inner.get(head), rest, value, siblings, parent - 1)}


@st.composite
def changed_files(draw: st.DrawFn) -> tuple[str, str, str, dict[str, Any]]:
    """Draw a kind, one of its files, the pointer of a leaf, and the content of the file with the leaf set."""
    kind = draw(st.sampled_from([*BASES, "job", "job", "job", "environment"]))
    path, leaf = draw(st.sampled_from(BASES[kind])), draw(st.sampled_from(LEAVES[kind]))
    parent = leaf.pointer.rpartition("/")[0]
    while parent and parent not in SIBLINGS:
        parent = parent.rpartition("/")[0]
    siblings = draw(st.sampled_from(SIBLINGS.get(parent, [{}])))
    names = {"/inputs/*": "numbers", "/outputs/*": "total"}
    keys = [names.get(parent, "some_name") if key == "*" else key for key in split_pointer(leaf.pointer)]
    if kind in COMPOSITES:
        keys = [names.get(f"/{keys[index - 1]}/*", key) if index else key for index, key in enumerate(keys)]
        is_of_tune = keys[0] == "jobs" and (keys[2] in OF_TUNE or "trial" in keys[-1])
        keys = ["jobs", "tune", *keys[2:]] if is_of_tune else keys
    base = yaml.safe_load(FILES[path])
    schema_kind = LEAVES_OF.get(kind, (kind, ""))[0]
    options = [value for value in candidates(leaf) if not is_default_value(schema_kind, "", pointer_of(keys), value)]
    value = draw(st.sampled_from(options))
    data = with_leaf(base, keys, value, siblings, len(split_pointer(parent)) if parent else -1)
    assume(data != base)
    assume(is_valid_for_schema(data, schema_kind))
    return kind, path, pointer_of(keys), data


def pointer_of(keys: list[str]) -> str:
    return "".join(f"/{escape_key(key)}" for key in keys)


def named_lines(plan: Plan, path: str) -> set[int]:
    """Return the lines of a file that a plan names in what it refuses or says that it ignores."""
    spans = [span for item in plan.blocked for refusal in item.refusals for span in (refusal.span, *refusal.places)]
    lines = {span.line for span in spans if span is not None and span.path == path}
    for note in plan.notes:
        if " does not use " in note:
            current = ""
            for text in re.findall(r"(?:[\w./-]+:)?\d+:\d+", note):
                *prefix, line, _ = text.split(":")
                current = prefix[0] if prefix else current
                lines |= {int(line)} if current == path else set()
    return lines


def lines_of(document: Document, pointer: str) -> set[int]:
    """Return the lines on which a leaf stands: from its key to the last line of its value."""
    first = document.key_span(pointer).line
    text = document.text.splitlines()
    indent = len(text[first - 1]) - len(text[first - 1].lstrip())
    last = first
    while last < len(text) and (len(text[last]) - len(text[last].lstrip()) > indent or text[last].lstrip()[:1] == "-"):
        last += 1
    return set(range(first, last + 1))


def matches(pattern: str, pointer: str) -> bool:
    """Return True if a pattern names a field, or the mapping that contains it."""
    parts, keys = split_pointer(pattern), split_pointer(pointer)
    return len(parts) <= len(keys) and all(part in ("*", key) for part, key in zip(parts, keys, strict=False))


def is_shown_to_have_an_effect(kind: str, pointer: str, data: Any) -> bool:
    """Return True if a test shows that a field of a kind, with values such as this one, has an effect.

    An environment that a job writes itself is built as one of a file is (tests/engine/test_implicit_environments.py).
    """
    if kind in COMPOSITES:
        node, own = _split_node(pointer)
        patterns = (*OF_COMPOSITES[kind], *(OF_COMPOSITES["sweep"] if node == "/jobs/tune" else ()))
        if any(matches(pattern, own) or matches(pattern, pointer) for pattern in patterns):
            return True
        part = re.sub(r"^/(component|trial)(?=/)", "", own)
        inner = value_at(data, pointer.removesuffix(part)) if pointer != part else data
        return is_shown_to_have_an_effect("job", part, inner)
    if kind == "job" and pointer.startswith("/environment/"):
        inner = pointer.removeprefix("/environment")
        return is_shown_to_have_an_effect("environment", inner, data["environment"])
    value, parent = value_at(data, pointer), value_at(data, pointer.rpartition("/")[0])
    type_name = str(parent.get("type")).lower() if isinstance(parent, dict) else ""
    return any(
        matches(pattern, pointer)
        and only_type in ("", type_name)
        and (not values or str(value).lower() in values or (NUMBER in values and re.fullmatch(r"[\d.]+", str(value))))
        and depth_fits(pattern, pointer)
        for field, values in HONOURED.get(kind, {}).items()
        for pattern, _, only_type in [field.partition(" of ")]
    )


def _split_node(pointer: str) -> tuple[str, str]:
    """Return the pointer of the node that a field is in, "" for the job itself, and that of the field in the node."""
    match = re.match(r"/jobs/[^/]+(?=/)", pointer)
    return (match[0], pointer.removeprefix(match[0])) if match else ("", pointer)


def depth_fits(pattern: str, pointer: str) -> bool:
    """Return True if a pattern is about this field, or about a free-form mapping that it is in."""
    free_form = {"/environment_variables", "/conda_file/variables", "/conda_file/dependencies"}
    return pattern in free_form or len(split_pointer(pattern)) == len(split_pointer(pointer))


def value_at(data: Any, pointer: str) -> Any:
    for key in split_pointer(pointer):
        data = data[key]
    return data


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(changed_files())
def test_what_a_file_says_has_an_effect_or_the_plan_names_it_at_its_line(changed):
    kind, path, pointer, data = changed
    text = yaml.safe_dump(data, sort_keys=False)
    if is_shown_to_have_an_effect(kind, pointer, data):
        event("honoured")
        return
    files = {**FILES, path: text}
    try:
        plan, diagnostics = InMemoryProject().plan_with_diagnostics(files)
    except AssertionError:
        assume(False)  # a rule of the format refuses the file
    document, _ = parse_yaml(path, text.encode())
    lines = lines_of(document, pointer)
    of_files = {diagnostic.span.line for diagnostic in diagnostics if diagnostic.span and diagnostic.span.path == path}
    if lines & (named_lines(plan, path) | of_files):
        event("named in the plan")
        return
    if kind == "job" or kind in COMPOSITES:
        output = re.fullmatch(r"(.*/outputs/[^/]+)/(name|version)", pointer)
        if output and (name := value_at(data, output[1]).get("name")):
            # It is held back if the job is refused for something else.
            assert any(item.address.name == str(name) for item in (*plan.actions, *plan.blocked))
            event("registered")
            return
    described = re.sub(r"^/(component|trial|environment)(?=/)", "", _split_node(pointer)[1])
    described = re.sub(r"^/environment(?=/)", "", described)
    if kind in COMPOSITES:
        assume(not is_default_value("job", "command", described, value_at(data, pointer)))
    if kind in COMPOSITES and described in NOT_RECORDED | {"/inputs/numbers/description", "/outputs/total/description"}:
        return  # it only describes a node or its component
    if described in COSMETIC:
        event("cosmetic")  # what conda calls an environment makes no difference, as a comment in its file
        return
    assert kind in REGISTERED or any(f"{described}/".startswith(f"{name}/") for name in DESCRIPTIVE)
    assert changes_the_record(kind, path, files), f"{kind} {pointer}: {value_at(data, pointer)}"
    event("recorded")


def changes_the_record(kind: str, path: str, files: Mapping[str, str]) -> bool:
    """Return True if a field describes or is registered, and a plan records that it changed."""
    (name,) = (asset["name"] for asset in [yaml.safe_load(FILES[path])])
    project = InMemoryProject()
    project.converge({**FILES})
    plan, _ = project.plan_with_diagnostics(files)
    actions = [action for action in plan.actions if action.address == Address(LEAVES_OF.get(kind, (kind,))[0], name)]
    return bool(actions)


def test_the_law_is_about_hundreds_of_leaves_of_all_kinds_that_are_realised():
    realised = {kind.name for kind in kinds().values() if kind.is_supported({})}
    assert realised - {"datastore"} == set(BASES) - set(COMPOSITES)  # tests/planning/test_datastores.py has those
    assert sum(map(len, LEAVES.values())) > 300
