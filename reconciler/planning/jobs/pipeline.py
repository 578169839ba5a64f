"""Pipeline jobs: the graph of their steps, those of nested pipelines and sweeps included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush

from reconciler.format.kind import word_set
from reconciler.format.pointers import join_pointer
from reconciler.model import ResolvedAsset, Step, StepGraph
from reconciler.planning.jobs.lowering import CANNOT_READ, Lowering, NodeProblem
from reconciler.planning.jobs.nodes import (
    COMMAND,
    DATA_TYPES,
    PARALLEL,
    PIPELINE,
    SWEEP,
    Node,
    Scope,
    Value,
    bound_output,
    node_input,
    pipeline_outputs,
)
from reconciler.planning.jobs.parallel import find_parallel_problems
from reconciler.planning.jobs.ports import find_port_problems
from reconciler.planning.jobs.sources import FindComponent, Part, component_part, job_part
from reconciler.planning.jobs.steps import (
    component_field,
    is_deterministic,
    make_step,
    missing_inputs,
    with_input_types,
)

_STEP_TYPES = frozenset({COMMAND, SWEEP, PARALLEL, PIPELINE})
_PIPELINE_NODE_FIELDS = word_set(
    "$schema name id version display_name description tags properties comment type component inputs outputs jobs "
    "compute settings is_deterministic auto_delete_setting"
)
_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})


def lower(resolved: ResolvedAsset, find_component: FindComponent) -> Lowering:
    """Return the steps of a pipeline, each after those that it reads from."""
    lowerer = _PipelineLowering(resolved, find_component)
    root = lowerer.make_node(job_part(resolved), "")
    if root is not None:
        lowerer.add_steps(root, Scope({}, {}, {}))
    settings = job_part(resolved).child("settings").fields
    outputs = root.outputs if root is not None else {}
    for name, part in job_part(resolved).children("outputs").items():
        if root is not None and name not in outputs and not lowerer.problems:
            message = f"no step writes the output {name} of the pipeline"
            hint = f"bind an output of a node to it: ${{{{parent.outputs.{name}}}}}"
            lowerer.problems.append(NodeProblem(part.place, message, hint))
    steps = with_input_types(lowerer.steps)
    for step in steps.values() if lowerer.is_complete else ():
        lowerer.problems += find_parallel_problems(step) if step.parallel is not None else ()
    graph = StepGraph(
        _in_order(steps),
        {name: outputs[name] for name in job_part(resolved).children("outputs") if name in outputs},
        str(settings.get("continue_on_step_failure", True)).strip().lower() not in _FALSE,
        str(settings.get("force_rerun", False)).strip().lower() in _TRUE,
    )
    return Lowering(graph, tuple(lowerer.problems))


@dataclass(slots=True)
class _PipelineLowering:
    """The steps of a pipeline so far; it is not complete if a node was left out, which others may need."""

    job: ResolvedAsset
    find_component: FindComponent
    steps: dict[str, Step] = field(default_factory=dict)
    problems: list[NodeProblem] = field(default_factory=list)
    is_complete: bool = True

    def make_node(self, part: Part, path: str) -> Node | None:
        """Return a node with its component and, if it is a pipeline, its own nodes; None if there is no step in it."""
        if not isinstance(part.value, Mapping):
            self._report_unknown(part)
            return None
        named = part.child(component_field(_declared_type(part)))
        component = part if named.value is None else component_part(named, self.find_component)
        type_name = _node_type(part, component)
        if type_name not in _STEP_TYPES:
            place = part.child("type") if "type" in part.fields else part
            hint = "write it as a command, or run the pipeline in Azure ML"
            self.problems.append(NodeProblem(place.place, f"mlgit cannot run {type_name} nodes", hint))
            return None
        if component is None:
            self._report_unknown(named)
            return None
        if type_name != PIPELINE:
            return Node(path, part, component, type_name, component is not part)
        self._check_pipeline(part, component)
        nodes: dict[str, Node] = {}
        for name, child in component.children("jobs").items():
            node = self.make_node(child, f"{path}.{name}" if path else name)
            if node is None:
                self.is_complete = False
            else:
                nodes[name] = node
        return Node(path, part, component, type_name, component is not part, nodes, pipeline_outputs(nodes))

    def _report_unknown(self, named: Part) -> None:
        """Report a component that is in no file; one that a reference names is reported with that."""
        if named.pointer not in named.source.references and named.target is None:
            message = f"{CANNOT_READ} {named.value}"
            hint = "put the file of the component into the repository, and name it"
            self.problems.append(NodeProblem(named.place, message, hint))

    def _check_pipeline(self, part: Part, component: Part) -> None:
        """Report a pipeline without nodes, and the fields of a nested one that mean nothing there."""
        if not component.child("jobs").fields:
            self.problems.append(NodeProblem(component.place, "the pipeline has no nodes", "write them under jobs:"))
        for name, child in part.children().items() if part.pointer else ():
            if name not in _PIPELINE_NODE_FIELDS and child.value not in (None, {}, []):
                message = f"mlgit does not support {name} of a nested pipeline"
                self.problems.append(NodeProblem(child.place, message, f"remove it, or write {name} in its nodes"))

    def add_steps(self, pipeline: Node, outside: Scope) -> None:
        """Add the steps of a pipeline, whose inputs are bound to what is ``outside``."""
        scope = _scope_of(pipeline, outside)
        self.problems += find_port_problems(pipeline.nodes)
        for node in pipeline.nodes.values():
            self._check_registrations(node)
            if node.type == PIPELINE:
                self.add_steps(node, scope)
            else:
                self.steps[node.path] = step = make_step(self.job.asset, scope, node)
                self._check_outputs(step)
                if self.is_complete:
                    self._check_inputs(node, step)

    def _check_inputs(self, node: Node, step: Step) -> None:
        """Report inputs without a value; those that a node does not name at all are reported already."""
        given = node.part.child("inputs").fields
        for name, place in missing_inputs(node, step):
            if name in given:
                message = f"the input {name} of {step.path} gets no value"
                self.problems.append(NodeProblem(place, message, "give it a value, or a path:"))

    def _check_registrations(self, node: Node) -> None:
        """Report outputs that a registered component registers: files alone declare assets."""
        named = [name for name, part in node.part.children("outputs").items() if "name" in part.fields]
        if named and node.part.source.version is not None:
            message = f"mlgit does not support outputs.{named[0]}.name of {node.path}, which a registered component has"
            hint = "name the file of the component in place of its version"
            self.problems.append(NodeProblem(node.part.place, message, hint))

    def _check_outputs(self, step: Step) -> None:
        """Report outputs that are values, not files."""
        for name, output in step.job.asset.spec.get("outputs", {}).items():
            type_name = str(output.get("type", "")).lower()
            if type_name and type_name not in DATA_TYPES:
                message = f"mlgit does not support outputs of the type {type_name}: {name} of {step.path}"
                place = step.places.get(join_pointer("outputs", name, "type"), step.places[""])
                self.problems.append(NodeProblem(place, message, "write the value into a file: type: uri_file"))


def _declared_type(part: Part) -> str:
    """Return the type that a node says, or that its fields show; "" if its component decides it."""
    return str(part.fields.get("type") or (SWEEP if "trial" in part.fields else "")).lower()


def _node_type(part: Part, component: Part | None) -> str:
    """Return the type of a node: that of its component, where it does not say it itself."""
    of_component = component.fields.get("type") if component else None
    return _declared_type(part) or str(of_component or COMMAND).lower()


def _scope_of(pipeline: Node, outside: Scope) -> Scope:
    part, component = pipeline.part, pipeline.component
    names = component.children("inputs") if pipeline.declares_ports else part.children("inputs")
    inputs: dict[str, Value] = {}
    for name in names:
        value = node_input(outside, pipeline, name)
        if value is not None:
            inputs[name] = value
    outputs: dict[str, tuple[Part, ...]] = {}
    ports, given = component.children("outputs"), part.children("outputs")
    for name in {**ports, **given}:
        layers = [ports.get(name), given.get(name)] if pipeline.declares_ports else [given.get(name)]
        bound = bound_output(given[name]) if name in given else ""
        outputs[name] = (*(layer for layer in layers if layer is not None), *outside.outputs.get(bound, ()))
    computes = (part.child("settings", "default_compute"), part.child("compute"), outside.compute)
    compute = next((item for item in computes if item is not None and item.value is not None), None)
    return Scope(pipeline.nodes, inputs, outputs, compute, outside.is_deterministic and is_deterministic(component))


def _in_order(steps: Mapping[str, Step]) -> dict[str, Step]:
    """Return the steps, each after those that it reads from, else as written; those in a cycle, an error, come last."""
    paths = list(steps)
    number = {path: index for index, path in enumerate(paths)}
    needs = [{number[need] for need in step_needs(step) if need in number} for step in steps.values()]
    users: list[list[int]] = [[] for _ in paths]
    for index, needed in enumerate(needs):
        for need in needed:
            users[need].append(index)
    ready = [index for index, needed in enumerate(needs) if not needed]
    ordered: dict[str, Step] = {}
    while ready:
        index = heappop(ready)
        ordered[paths[index]] = steps[paths[index]]
        for user in users[index]:
            needs[user].discard(index)
            if not needs[user]:
                heappush(ready, user)
    return {**ordered, **steps}


def step_needs(step: Step) -> tuple[str, ...]:
    """Return the paths of the steps that a step reads from."""
    return tuple(dict.fromkeys(output.step for output in step.bindings.values()))
