"""Jobs become graphs of steps, each step the command job that it would be by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from planning.project import SCHEMA, InMemoryProject, plan_options_of, small

from reconciler.format.references import bind_environment
from reconciler.model import Address, Asset, LocalPath, ResolvedAsset, Step, StepGraph, StepOutput, VersionPath
from reconciler.planning.graph import topological_order
from reconciler.planning.jobs import lower, lower_job
from reconciler.planning.jobs.sources import ComponentVersion, no_component
from reconciler.planning.plan import decide_asset
from reconciler.planning.resolve import PlanContext, resolve_asset

pytestmark = pytest.mark.fast

PIPE = Address("job", "pipe")
PLAIN = "azureml:plain@latest"
FILES = {"src/a.py": "a", "lib/x.py": "x", "data/n.csv": "n"}


def component(**fields: Any) -> dict[str, Any]:
    """Return an inline component with the given fields."""
    return {"command": "python a.py", "environment": PLAIN, "code": "../src", **fields}


def pipeline(jobs: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a pipeline job with the given nodes, on the compute `local`."""
    return {"type": "pipeline", "settings": {"default_compute": "azureml:local"}, **fields, "jobs": jobs}


def files_with(spec: Mapping[str, Any], **others: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a project with a job; ``others`` are components by name."""
    job = yaml.safe_dump({"name": "pipe", **spec})
    components = {
        f"components/{name}.yml": SCHEMA.format("commandComponent")
        + yaml.safe_dump({"name": name, "type": "command", **item})
        for name, item in others.items()
    }
    return {**small(), **FILES, **components, "jobs/pipe.yml": SCHEMA.format("pipelineJob") + job}


def resolved(spec: Mapping[str, Any], **others: Mapping[str, Any]) -> ResolvedAsset:
    """Return a job with what it refers to, as a first plan has it."""
    files, project = files_with(spec, **others), InMemoryProject()
    desired = project.desired(files)
    context = PlanContext(desired.tree, desired.declared, project.state(), plan_options_of(files))
    for asset in topological_order(desired.declared.assets):
        context.planned_states[asset.address] = decide_asset(context, asset).planned_state
    return resolve_asset(context, desired.declared.assets[PIPE])


def graph(spec: Mapping[str, Any], **others: Mapping[str, Any]) -> StepGraph:
    """Return the graph of a job."""
    found = resolved(spec, **others).graph
    assert found is not None
    return found


def spec_of(step: Step) -> dict[str, Any]:
    return dict(step.job.asset.spec)


def version_of(spec: dict[str, Any]) -> ComponentVersion:
    """Return a component as it is registered."""
    return ComponentVersion(Address("component", spec["name"]), spec["version"], spec, {}, {})


DATA = {"type": "uri_file", "path": "../data/n.csv"}
PREPARE = component(
    name="prepare",
    version="2",
    inputs={
        "raw": {"type": "uri_file"},
        "rows": {"type": "integer", "default": 10},
        "seed": {"type": "integer", "optional": True},
    },
    outputs={"clean": {"type": "uri_folder"}},
)


def test_a_step_has_the_command_of_its_component_and_the_values_of_its_node():
    steps = graph(pipeline({"prepare": {"component": PREPARE, "inputs": {"raw": DATA}}})).steps
    step = steps["prepare"]
    assert (step.path, step.component, step.is_deterministic) == ("prepare", "prepare@2", True)
    assert step.job.asset.address == Address("job", "pipe/prepare")
    assert spec_of(step) == {
        "type": "command",
        "command": "python a.py",
        "code": "../src",
        "environment": PLAIN,
        "compute": "azureml:local",
        "inputs": {"raw": DATA, "rows": 10},
        "outputs": {"clean": {"type": "uri_folder"}},
    }
    assert {path.pointer: path.path for path in step.job.asset.paths} == {
        "/code": "src",
        "/inputs/raw/path": "data/n.csv",
    }
    assert set(step.job.contents) == {"/code", "/inputs/raw/path"}
    assert step.places["/code"] == "/jobs/prepare/component/code"
    assert step.places["/compute"] == "/settings/default_compute"


def test_what_the_node_says_takes_the_place_of_what_its_component_says():
    node = {
        "component": component(
            environment_variables={"A": "1", "B": "2"},
            resources={"instance_count": 1},
            distribution={"type": "pytorch"},
        ),
        "environment_variables": {"B": "3"},
        "resources": {"shm_size": "1g"},
        "limits": {"timeout": 60},
        "compute": "azureml:other",
    }
    spec = spec_of(graph({**pipeline({"a": node}), "compute": "azureml:third"}).steps["a"])
    assert spec["environment_variables"] == {"A": "1", "B": "3"}
    assert (spec["resources"], spec["limits"], spec["compute"]) == (
        {"shm_size": "1g"},
        {"timeout": 60},
        "azureml:other",
    )
    assert spec["distribution"] == {"type": "pytorch"}


def test_inputs_of_the_pipeline_come_with_their_contents():
    read = component(inputs={"data": {"type": "uri_file"}, "lr": {"type": "number"}, "who": {"type": "string"}})
    node = {
        "component": read,
        "inputs": {
            "data": {"type": "uri_file", "path": "${{parent.inputs.raw}}", "mode": "download"},
            "lr": "${{ parent.inputs.rate }}",
            "who": "model ${{parent.inputs.rate}} of ${{name}}",
        },
    }
    old = {"component": read, "inputs": {"data": "${{inputs.raw}}", "lr": "${{parent.jobs.a.inputs.lr}}", "who": "me"}}
    steps = graph(pipeline({"a": node, "old": old}, inputs={"raw": DATA, "rate": 0.1})).steps
    assert spec_of(steps["a"])["inputs"] == {
        "data": {**DATA, "mode": "download"},
        "lr": 0.1,
        "who": "model 0.1 of ${{name}}",
    }
    assert spec_of(steps["old"])["inputs"] == {"data": DATA, "lr": 0.1, "who": "me"}
    assert steps["a"].job.contents["/inputs/data/path"] == steps["old"].job.contents["/inputs/data/path"]
    assert steps["a"].places["/inputs/data"] == "/inputs/raw"


def test_outputs_of_other_steps_are_bindings_and_decide_the_order():
    read = component(inputs={"x": {"type": "uri_folder", "mode": "download"}}, outputs={"y": {"type": "uri_folder"}})
    write = component(outputs={"y": {"type": "uri_folder"}})
    jobs = {
        "last": {"component": read, "inputs": {"x": "${{parent.jobs.middle.outputs.y}}"}},
        "middle": {
            "component": read,
            "inputs": {"x": "${{jobs.first.outputs.y}}"},
            "outputs": {"y": "${{parent.outputs.z}}"},
        },
        "logs": {
            "command": "ls ${{inputs.x}}",
            "environment": PLAIN,
            "inputs": {"x": "${{parent.jobs.first.outputs.default}}"},
        },
        "first": {"component": write},
    }
    found = graph(
        pipeline(jobs, outputs={"z": {"mode": "upload", "path": "azureml://datastores/workspaceblobstore/paths/z"}})
    )
    assert list(found.steps) == ["first", "logs", "middle", "last"], "otherwise as written"
    assert found.steps["middle"].bindings == {"x": StepOutput("first", "y")}
    assert found.steps["logs"].bindings == {"x": StepOutput("first", "artifacts")}
    assert spec_of(found.steps["middle"])["inputs"] == {"x": {"type": "uri_folder", "mode": "download"}}
    assert spec_of(found.steps["logs"])["inputs"] == {"x": {"type": "uri_folder"}}
    assert found.outputs == {"z": StepOutput("middle", "y")}
    path = "azureml://datastores/workspaceblobstore/paths/z"
    assert spec_of(found.steps["middle"])["outputs"] == {"y": {"type": "uri_folder", "mode": "upload", "path": path}}
    assert found.steps["middle"].places["/outputs/y/path"] == "/outputs/z/path"


def test_a_bound_input_without_a_type_has_that_of_the_output():
    jobs = {
        "a": {"command": "x", "environment": PLAIN, "outputs": {"y": {"type": "uri_file"}}},
        "b": {"command": "ls ${{inputs.x}}", "environment": PLAIN, "inputs": {"x": "${{parent.jobs.a.outputs.y}}"}},
    }
    assert spec_of(graph(pipeline(jobs)).steps["b"])["inputs"] == {"x": {"type": "uri_file"}}


def test_nested_pipelines_are_part_of_the_one_graph():
    inner = {
        "type": "pipeline",
        "inputs": {"data": {"type": "uri_file"}, "rows": {"type": "integer", "default": 3}},
        "outputs": {"clean": {"type": "uri_folder"}},
        "jobs": {
            "prepare": {
                "component": PREPARE,
                "inputs": {"raw": "${{parent.inputs.data}}", "rows": "${{parent.inputs.rows}}"},
                "outputs": {"clean": "${{parent.outputs.clean}}"},
            }
        },
    }
    jobs = {
        "outer": {
            "type": "pipeline",
            "component": inner,
            "inputs": {"data": "${{parent.inputs.raw}}"},
            "outputs": {"clean": "${{parent.outputs.result}}"},
        },
        "after": {
            "component": component(inputs={"x": {"type": "uri_folder"}}),
            "inputs": {"x": "${{parent.jobs.outer.outputs.clean}}"},
        },
    }
    spec = pipeline(jobs, inputs={"raw": DATA}, outputs={"result": {"mode": "upload"}})
    paths = (LocalPath("/inputs/raw/path", "../data/n.csv", "data/n.csv"),)
    asset = Asset(PIPE, spec, "jobs/pipe.yml", paths=paths)
    found = lower(ResolvedAsset(asset, {"/inputs/raw/path": "blob:1"}, {}, "", ""), no_component)
    assert found is not None
    assert list(found.steps) == ["outer.prepare", "after"]
    assert spec_of(found.steps["outer.prepare"])["inputs"] == {"raw": DATA, "rows": 3}
    assert found.steps["outer.prepare"].job.contents["/inputs/raw/path"] == "blob:1"
    assert found.steps["after"].bindings == {"x": StepOutput("outer.prepare", "clean")}
    assert found.outputs == {"result": StepOutput("outer.prepare", "clean")}
    assert spec_of(found.steps["outer.prepare"])["outputs"]["clean"] == {"type": "uri_folder", "mode": "upload"}


def test_a_registered_component_is_used_as_its_version_is():
    job = pipeline({"a": {"component": "azureml:part@latest", "inputs": {"rows": 2}}})
    part = component(inputs={"rows": {"type": "integer"}}, additional_includes=["../lib"], is_deterministic=False)
    step = graph(job, part=part).steps["a"]
    version = Address("component", "part")
    assert step.version_paths == {
        "/code": VersionPath(version, "1", "/code"),
        "/additional_includes/0": VersionPath(version, "1", "/additional_includes/0"),
    }
    assert set(step.job.contents) == {"/code", "/additional_includes/0"}
    assert step.job.asset.paths == ()
    assert step.job.references["/environment"].address == Address("environment", "plain")
    assert (step.component, step.is_deterministic, step.places["/command"]) == ("part@1", False, "/jobs/a/component")


SWEEP = {
    "type": "sweep",
    "trial": {"command": "python a.py ${{search_space.lr}}", "environment": PLAIN, "code": "../src"},
    "inputs": {"A": 0.5},
    "outputs": {"model": {"type": "uri_folder"}},
    "search_space": {"lr": {"type": "uniform", "min_value": 0.1, "max_value": 1}},
    "sampling_algorithm": "random",
    "objective": {"goal": "minimize", "primary_metric": "loss"},
    "limits": {"max_total_trials": 4, "trial_timeout": 30, "timeout": 100},
    "compute": "azureml:local",
}


def test_what_a_node_does_not_give_to_a_registered_component_or_reads_and_it_has_not_is_a_problem():
    nodes = {
        "a": {"component": "azureml:prepare@latest"},
        "b": {"component": "azureml:prepare:2", "inputs": {"raw": "${{parent.jobs.a.outputs.dirty}}"}},
        "c": {"component": "azureml:prepare:2", "inputs": {"raw": "${{parent.jobs.b.outputs.clean}}"}},
    }
    lowering = lower_job(resolved(pipeline(nodes), prepare=PREPARE), lambda _: version_of(PREPARE))
    assert [(item.code, item.pointer, item.message) for item in lowering.problems] == [
        ("input-missing", "/jobs/a", "the input raw of component/prepare@2 is required but not given"),
        ("binding-dangling", "/jobs/b/inputs/raw", "component/prepare@2 has no output dirty"),
    ]


def test_a_sweep_is_a_graph_of_one_step_with_its_default_artifacts():
    found = graph(SWEEP)
    step = found.steps["sweep"]
    assert spec_of(step) == {
        "type": "command",
        "command": "python a.py ${{search_space.lr}}",
        "environment": PLAIN,
        "code": "../src",
        "compute": "azureml:local",
        "limits": {"timeout": 30},
        "inputs": {"A": 0.5},
        "outputs": {"model": {"type": "uri_folder"}},
    }
    assert step.sweep == {key: SWEEP[key] for key in ("search_space", "objective", "sampling_algorithm", "limits")}
    assert found.outputs == {name: StepOutput("sweep", name) for name in ("model", "artifacts")}
    assert step.places["/code"] == "/trial/code"


def test_a_sweep_node_has_no_value_for_what_it_searches():
    node = {key: SWEEP[key] for key in ("type", "search_space", "objective", "sampling_algorithm", "limits")}
    trial = component(
        inputs={"lr": {"type": "number", "default": 1.0}, "rows": {"type": "integer", "default": 5}},
        outputs={"model": {"type": "uri_folder"}},
    )
    step = graph(pipeline({"tune": {**node, "trial": trial}})).steps["tune"]
    assert spec_of(step)["inputs"] == {"rows": 5}
    assert step.sweep is not None
    assert step.sweep["limits"]["max_total_trials"] == 4


def test_settings_say_how_a_pipeline_goes_on():
    jobs = {"a": {"component": component()}}
    assert (graph(pipeline(jobs)).continues_on_failure, graph(pipeline(jobs)).is_forced) == (True, False)
    settings = {"default_compute": "azureml:local", "continue_on_step_failure": False, "force_rerun": True}
    found = graph(pipeline(jobs, settings=settings))
    assert (found.continues_on_failure, found.is_forced) == (False, True)


def test_mlgit_yml_replaces_the_environments_of_registries_in_nodes_and_components():
    curated = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    jobs = {"a": {"component": component(environment=curated)}, "b": {"command": "ls", "environment": curated}}
    asset = Asset(PIPE, pipeline(jobs), "jobs/pipe.yml")
    bound = bind_environment(asset, {"sklearn-1.5": "environment/plain@1"})
    plain = Address("environment", "plain")
    assert [(item.pointer, item.address, item.version) for item in bound.references] == [
        ("/jobs/a/component/environment", plain, "1"),
        ("/jobs/b/environment", plain, "1"),
    ]


def test_an_environment_of_a_registry_counts_in_the_fingerprint_as_it_is_pinned():
    curated = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    job = resolved(pipeline({"a": {"component": component(environment=curated)}}))
    reference = job.references["/jobs/a/component/environment"]
    assert reference.address == Address("environment", "azureml/sklearn-1.5")
    assert job.graph is not None
    assert job.graph.steps["a"].job.references["/environment"] == reference
