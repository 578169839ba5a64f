"""A node of a pipeline, or a sweep, as one step: the command job that it would be by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.format.kind import word_set
from reconciler.model import DEFAULT_ARTIFACTS, Address, Asset, Json, Step
from reconciler.model.resolved import StepOutput
from reconciler.planning.jobs.nodes import COMMAND, PARALLEL, SWEEP, Node, Scope, bind_texts, bound_output, node_input
from reconciler.planning.jobs.parallel import divided_input, is_divided_by_uri, take_parallel_fields
from reconciler.planning.jobs.sources import Part, StepDraft

_INPUTS, _OUTPUTS, _VARIABLES = "inputs", "outputs", "environment_variables"
_TYPE, _PATH, _MODE = "type", "path", "mode"
_DEFAULT_TYPE, _GROUP = "uri_folder", "group"
_EVALUATED = "eval_mount"  # the mode of a table that the step itself reads
SWEEP_FIELDS = ("search_space", "objective", "sampling_algorithm", "early_termination", "limits")
# What describes a node or a component, or is read here: all other fields are those of the step's job.
_NOT_OF_THE_JOB = word_set(
    "$schema name id version display_name description tags properties comment experiment_name type "
    "inputs outputs environment_variables is_deterministic auto_delete_setting "
    "status log_files creation_context parameters latest_version"
)
_NOT_OF_AN_OUTPUT = word_set("description name version")  # it is registered from the run, not by the step
_FALSE = frozenset({"false", "no", "0"})


def make_step(job: Asset, scope: Scope, node: Node) -> Step:
    """Return the step of a node that is a command, a sweep or parallel."""
    draft = StepDraft({_TYPE: COMMAND}, places={"": node.part.place})
    if job.spec.get("experiment_name") is not None:
        draft.spec["experiment_name"] = job.spec["experiment_name"]
    parallel = _put_fields(draft, scope, node)
    _put_inputs(draft, scope, node)
    if parallel is not None and is_divided_by_uri(draft.spec, parallel):
        name = divided_input(parallel)
        draft.put(node.part.child(_INPUTS, name, _MODE)._replace(value=_EVALUATED), _INPUTS, name, _MODE)
    _put_outputs(draft, scope, node)
    is_sweep = node.type == SWEEP
    return Step(
        node.path,
        draft.make_job(Address(job.address.kind, f"{job.address.name}/{node.path}"), job.source),
        draft.bindings,
        draft.version_paths,
        draft.places,
        component_label(node),
        scope.is_deterministic and is_deterministic(node.component),
        _sweep_fields(scope, node) if is_sweep else None,
        parallel,
    )


def is_deterministic(component: Part) -> bool:
    """Return False for a component that says that equal inputs give it other results."""
    return str(component.fields.get("is_deterministic", True)).strip().lower() not in _FALSE


def component_label(node: Node) -> str:
    """Return the component of a node and its version, "" if it has no name."""
    fields = node.component.fields if node.declares_ports else {}
    version = node.component.source.version if not node.component.pointer else None
    name = version.address.name if version else fields.get("name")
    number = version.version if version else fields.get("version")
    return "@".join(str(word) for word in (name, number) if word not in (None, ""))


def _sweep_fields(scope: Scope, node: Node) -> Mapping[str, Json]:
    parts = ((name, bind_texts(scope, node.part.child(name))) for name in SWEEP_FIELDS)
    return {name: part.value for name, part in parts if part.value is not None}


def _put_fields(draft: StepDraft, scope: Scope, node: Node) -> Mapping[str, Json] | None:
    """Copy the fields of the job: those of the component, and in their place those of the node.

    Return those that a parallel node has besides, None for any other node.
    """
    fields = dict(_job_fields(node.component, scope if node.component is node.part else None))
    if node.component is not node.part:
        fields |= dict(_job_fields(node.part, scope))
    fields.pop(component_field(node.type), None)
    if node.type == SWEEP:
        fields = {name: part for name, part in fields.items() if name not in SWEEP_FIELDS}
        trial_timeout = bind_texts(scope, node.part.child("limits", "trial_timeout"))
        if trial_timeout.value is not None:
            draft.put(trial_timeout, "limits", "timeout")
    parallel = take_parallel_fields(draft, fields) if node.type == PARALLEL else None
    if "compute" not in fields and scope.compute is not None:
        fields["compute"] = scope.compute
    for name, part in fields.items():
        draft.put(part, name)
    variables = {**node.component.children(_VARIABLES), **node.part.children(_VARIABLES)}
    for name, part in variables.items():
        draft.put(bind_texts(scope, part), _VARIABLES, name)
    return parallel


def component_field(node_type: str) -> str:
    """Return the field of a node that has its component."""
    return "trial" if node_type == SWEEP else "component"


def missing_inputs(node: Node, step: Step) -> Iterator[tuple[str, str]]:
    """Yield the inputs that a node gives, and that get no value by it, each with its place."""
    given = node.part.children(_INPUTS)
    ports = node.component.children(_INPUTS) if node.declares_ports else given
    known = {**step.job.asset.spec.get(_INPUTS, {}), **(step.sweep.get("search_space", {}) if step.sweep else {})}
    for name, port in ports.items():
        is_optional = node.declares_ports and (port.fields.get("optional") is True or port.fields.get("type") == _GROUP)
        if name in given and name not in known and not is_optional:
            yield name, given[name].place


def _job_fields(part: Part, scope: Scope | None) -> Iterator[tuple[str, Part]]:
    """Yield the fields of a job; bindings in those of a node stand for literals, but not in its command."""
    for name, child in part.children().items():
        if name not in _NOT_OF_THE_JOB and child.value is not None:
            yield name, child if scope is None or name == COMMAND else bind_texts(scope, child)


def _put_inputs(draft: StepDraft, scope: Scope, node: Node) -> None:
    names = node.component.children(_INPUTS) if node.declares_ports else node.part.children(_INPUTS)
    searched = node.part.child("search_space").fields if node.type == SWEEP else {}
    for name in names:
        value = None if name in searched else node_input(scope, node, name)
        if value is None:
            continue
        if isinstance(value.origin, StepOutput):
            draft.bindings[name] = value.origin
            draft.put(node.part.child(_INPUTS, name)._replace(value={}), _INPUTS, name)
        else:
            draft.put(value.origin, _INPUTS, name)
            if value.origin.fields.get(_PATH) is None:
                continue  # a literal
        given = draft.spec[_INPUTS][name]
        declared = {} if not node.declares_ports else node.component.children(_INPUTS, name)
        for key in (_TYPE, _MODE):
            setting = value.settings.get(key) or (declared.get(key) if given.get(key) is None else None)
            if setting is not None and setting.value is not None:
                draft.put(setting, _INPUTS, name, key)


def _put_outputs(draft: StepDraft, scope: Scope, node: Node) -> None:
    ports = node.component.children(_OUTPUTS) if node.declares_ports else {}
    given = node.part.children(_OUTPUTS)
    for name in {**ports, **given}:
        own, port = given.get(name), ports.get(name)
        bound = bound_output(own) if own else ""
        draft.put((own or port or node.part)._replace(value={}), _OUTPUTS, name)
        fields = dict(_output_fields(own, is_bound=bool(bound)))
        outer = [child for part in scope.outputs.get(bound, ()) for child in _output_fields(part)]
        declared = list(_output_fields(port))
        types = [item for item in declared if item[0] == _TYPE]
        for key, child in (*types, *outer, *declared):  # the first one that says it counts
            fields.setdefault(key, child)
        for key, child in fields.items():
            draft.put(bind_texts(scope, child), _OUTPUTS, name, key)


def _output_fields(part: Part | None, *, is_bound: bool = False) -> Iterator[tuple[str, Part]]:
    """Yield what is said of an output; the path of one that is bound is the binding."""
    for key, child in part.children().items() if part else ():
        if child.value is not None and key not in _NOT_OF_AN_OUTPUT and not (is_bound and key == _PATH):
            yield key, child


def with_input_types(steps: Mapping[str, Step]) -> dict[str, Step]:
    """Return steps whose bound inputs all have a type: that of the output where nothing else says it."""
    return {path: _with_input_types(step, steps) for path, step in steps.items()}


def _with_input_types(step: Step, steps: Mapping[str, Step]) -> Step:
    spec = step.job.asset.spec
    inputs = spec.get(_INPUTS, {})
    types = {name: _output_type(steps, output) for name, output in step.bindings.items() if _TYPE not in inputs[name]}
    if not types:
        return step
    typed = {name: {**inputs[name], _TYPE: type_name} for name, type_name in types.items()}
    asset = step.job.asset._replace(spec={**spec, _INPUTS: {**inputs, **typed}})
    return step._replace(job=step.job._replace(asset=asset))


def _output_type(steps: Mapping[str, Step], output: StepOutput) -> str:
    step = steps.get(output.step)
    outputs = step.job.asset.spec.get(_OUTPUTS, {}) if step and output.output != DEFAULT_ARTIFACTS else {}
    return str(outputs.get(output.output, {}).get(_TYPE) or _DEFAULT_TYPE)
