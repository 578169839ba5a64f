"""The fit check: a run that asks for more than its compute has is refused at its line, with what there is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from planning.project import SCHEMA, InMemoryProject, edited, plan_options_of, small

from reconciler.backends import BACKENDS
from reconciler.backends._local_capacity import count_gpus, declared_slots
from reconciler.diagnostics import Severity, Span, UserError
from reconciler.model.capacity import Capacity, Limit, RunRequest
from reconciler.model.plugins import BackendPlugin
from reconciler.model.resources import Compute, Resources
from reconciler.model.vm_sizes import find_vm_size
from reconciler.planning.fit import check_request
from reconciler.project import backend_lookup

pytestmark = pytest.mark.fast

CLUSTER = {"name": "gpu", "type": "amlcompute", "size": "Standard_NC6s_v3"}
PYTORCH = "distribution: {type: pytorch}\n"


def with_compute(job: str = "", backend: str = "{type: local}", **fields: Any) -> dict[str, str]:
    """Return the small workspace with its job on a compute, more lines in its file, and the settings of the backend."""
    compute = SCHEMA.format("amlCompute") + yaml.safe_dump(CLUSTER | fields)
    files = edited("jobs/sum.yml", "compute: local\n", f"compute: azureml:gpu\n{job}")
    return {**edited("mlgit.yml", "{local: {type: local}}", f"{{local: {backend}}}", files), "compute/gpu.yml": compute}


def on_local(job: str = "", backend: str = "{type: local}") -> dict[str, str]:
    """Return the small workspace with more lines in the file of its job, and the settings of the backend."""
    files = edited("jobs/sum.yml", "compute: local\n", f"compute: local\n{job}")
    return edited("mlgit.yml", "{local: {type: local}}", f"{{local: {backend}}}", files)


@pytest.mark.parametrize(
    ("files", "message", "remedy"),
    [
        (with_compute(max_instances=2), "the compute gpu has 2 (max_instances)", "raise max_instances of the compute"),
        (with_compute(), "the compute gpu has 4 (max_instances is not set)", "raise max_instances of the compute"),
        (
            with_compute(type="computeinstance"),
            "the compute gpu has 1 (it is of type computeinstance)",
            "use a compute of type amlcompute",
        ),
        (
            on_local(backend="{type: local, slots: 3}"),
            "the compute local has 3 (slots: of the backend in mlgit.yml)",
            "raise slots: there",
        ),
    ],
)
def test_a_run_with_more_instances_than_its_compute_has_is_refused_at_its_line(files, message, remedy):
    more = f"resources:\n  instance_count: 8\n{PYTORCH}"
    plan, _ = InMemoryProject().plan_with_diagnostics(edited("jobs/sum.yml", "code:", f"{more}code:", files))
    (refusal,) = plan.refusals
    assert (refusal.code, refusal.severity) == ("compute-too-small", Severity.ERROR)
    assert refusal.message == f"job/sum: asks for 8 instances, but {message}"
    assert refusal.hint == f"lower resources.instance_count, {remedy}, or use another compute"
    assert refusal.span is not None
    assert files_line("jobs/sum.yml", refusal.span, edited("jobs/sum.yml", "code:", f"{more}code:", files)) == (
        "  instance_count: 8"
    )
    assert plan.submissions == ()


@pytest.mark.parametrize("reference", ["azureml:gpu", "gpu"])
def test_a_compute_is_the_same_one_with_and_without_the_prefix_of_references(reference):
    job = f"resources: {{instance_count: 3}}\n{PYTORCH}"
    files = edited("jobs/sum.yml", "compute: azureml:gpu", f"compute: {reference}", with_compute(job, max_instances=2))
    project = InMemoryProject()
    plan, _ = project.plan_with_diagnostics(files)
    assert [refusal.message for refusal in plan.refusals] == [
        "job/sum: asks for 3 instances, but the compute gpu has 2 (max_instances)"
    ]
    pipeline = f"""
{SCHEMA.format("pipelineJob")}name: both
type: pipeline
settings: {{default_compute: azureml:gpu}}
jobs:
  wide:
    type: command
    command: echo 1
    environment: azureml:plain@latest
    compute: {reference}
    resources: {{instance_count: 4}}
    distribution: {{type: pytorch}}
  narrow: {{type: command, command: echo 2, environment: azureml:plain@latest}}
"""
    plan, _ = project.plan_with_diagnostics({**with_compute(max_instances=2), "jobs/both.yml": pipeline.lstrip()})
    assert [refusal.message for refusal in plan.refusals] == [
        "job/both/wide: asks for 4 instances, but the compute gpu has 2 (max_instances)"
    ]


def files_line(path: str, span: Span, files: dict[str, str]) -> str:
    """Return the line of a file that a span is in."""
    assert span.path == path
    return files[path].splitlines()[span.line - 1]


def test_as_many_instances_as_there_are_fit():
    files = with_compute(f"resources: {{instance_count: 2}}\n{PYTORCH}", max_instances=2)
    (submission,) = InMemoryProject().plan(files).submissions
    assert [(place.compute, place.instances) for place in submission.runs_on] == [("gpu", 2)]


def test_where_no_file_says_how_much_there_is_nothing_is_refused():
    """The machine that plans may be another than the one that runs the job: its cores are no part of a plan."""
    plan, diagnostics = InMemoryProject().plan_with_diagnostics(
        on_local(f"resources: {{instance_count: 500}}\n{PYTORCH}")
    )
    assert (len(plan.submissions), diagnostics) == (1, ())


def warnings_of(files: dict[str, str]) -> list[tuple[str, str]]:
    """Return the codes and the messages of the warnings of a plan, which submits the job."""
    plan, diagnostics = InMemoryProject().plan_with_diagnostics(files)
    assert len(plan.submissions) == 1
    assert {item.severity for item in diagnostics} <= {Severity.WARNING}
    return [(item.code, item.message) for item in diagnostics]


def test_more_processes_than_gpus_are_a_warning():
    job = "distribution: {type: pytorch, process_count_per_instance: 4}\n"
    expected = "job/sum: 4 processes share the 2 GPUs of the run"
    assert warnings_of(with_compute(job, "{type: local, gpus: 2}")) == [("gpus-shared", expected)]
    assert warnings_of(with_compute(job, "{type: local, gpus: 8}")) == []
    expected = "job/sum: 4 processes share the 1 GPU of a machine of size Standard_NC6s_v3"
    assert warnings_of(with_compute(job)) == [("gpus-shared", expected)]
    assert warnings_of(with_compute(job, size="Standard_DS3_v2")) == []
    assert warnings_of(with_compute(job, size="Standard_of_tomorrow")) == []


def test_a_container_with_more_than_a_machine_of_the_size_of_its_compute_has_is_a_warning():
    request = RunRequest(Compute("gpu", CLUSTER), Resources(docker_args="--cpus 8 -m 200g"))
    found = [problem.message for problem in check_request(request, Capacity(), None)]
    assert found == [
        "asks for 8 processors, but a machine of its compute's size Standard_NC6s_v3 has 6",
        "asks for 200 GiB of memory, but a machine of its compute's size Standard_NC6s_v3 has 112",
    ]
    job = 'resources: {docker_args: "--cpus 8 -m 200g"}\n'
    assert [code for code, _ in warnings_of(with_compute(job))] == ["compute-too-small", "compute-too-small"]


SWEEP = """
type: sweep
name: tune
compute: azureml:gpu
sampling_algorithm: random
search_space: {lr: {type: uniform, min_value: 0.1, max_value: 1.0}}
objective: {goal: minimize, primary_metric: loss}
trial: {command: "echo ${{search_space.lr}}", environment: azureml:plain@latest}
limits: {max_total_trials: 20, max_concurrent_trials: 5, trial_timeout: 1800}
"""


def test_more_trials_at_once_than_slots_are_a_warning_as_they_wait():
    files = {**with_compute(max_instances=2), "jobs/tune.yml": SWEEP.lstrip()}
    plan, diagnostics = InMemoryProject().plan_with_diagnostics(files)
    (warning,) = diagnostics
    assert (warning.code, warning.severity) == ("trials-wait", Severity.WARNING)
    assert warning.message == (
        "job/tune/sweep: 5 trials are to run at once, but the compute gpu has slots for 2 (max_instances): "
        "the others wait"
    )
    assert warning.span is not None
    assert files_line("jobs/tune.yml", warning.span, files).startswith("limits:")
    assert len(plan.submissions) == 2
    few = SWEEP.replace("max_total_trials: 20", "max_total_trials: 2").lstrip()
    assert InMemoryProject().plan_with_diagnostics({**files, "jobs/tune.yml": few})[1] == ()


ON_SLURM = "{type: slurm, folder: /shared/mlgit, time: 1h, gres: 'gpu:2'}"


def test_a_time_limit_above_that_of_the_backend_is_refused_at_its_line():
    files = with_compute("limits:\n  timeout: 7200\n", ON_SLURM)
    (refusal,) = InMemoryProject().plan(files).refusals
    assert (refusal.code, refusal.severity) == ("compute-too-small", Severity.ERROR)
    asked = "asks for a time limit of 7200 seconds"
    assert refusal.message == f"job/sum: {asked}, but the compute gpu has 3600 (time: of the backend in mlgit.yml)"
    assert refusal.hint == "lower limits.timeout, raise time: there, or use another compute"
    assert refusal.span is not None
    assert files_line("jobs/sum.yml", refusal.span, files) == "  timeout: 7200"
    fitting = with_compute("limits: {timeout: 3600}\n", ON_SLURM)
    assert len(InMemoryProject().plan(fitting).submissions) == 1


def test_a_plan_counts_the_gpus_of_a_cluster_and_warns_of_processes_that_share_them():
    job = "limits: {timeout: 3600}\ndistribution: {type: pytorch, process_count_per_instance: 4}\n"
    for backend in (ON_SLURM, "{type: ray, address: 'http://head:8265', folder: /shared, gpus_per_run: 2}"):
        plan, diagnostics = InMemoryProject().plan_with_diagnostics(with_compute(job, backend))
        (submission,) = plan.submissions
        assert [(place.gpus, place.gpu_hours) for place in submission.runs_on] == [(2, 2.0)]
        (warning,) = diagnostics
        assert (warning.code, warning.message) == ("gpus-shared", "job/sum: 4 processes share the 2 GPUs of the run")


PIPELINE = """
type: pipeline
name: both
settings: {default_compute: azureml:gpu}
jobs:
  first: {type: command, command: echo 1, environment: azureml:plain@latest}
  wide:
    type: command
    command: echo 2
    environment: azureml:plain@latest
    distribution: {type: pytorch}
    resources:
      instance_count: 9
"""


def test_a_step_that_does_not_fit_the_default_compute_of_its_pipeline_is_refused_at_its_line():
    files = {**with_compute(), "jobs/both.yml": PIPELINE.lstrip()}
    (refusal,) = InMemoryProject().plan(files).refusals
    assert refusal.message.startswith("job/both/wide: asks for 9 instances, but the compute gpu has 4")
    assert refusal.span is not None
    assert files_line("jobs/both.yml", refusal.span, files) == "      instance_count: 9"


def test_a_warning_beside_an_error_is_no_reason_of_the_refusal():
    job = "distribution: {type: pytorch, process_count_per_instance: 4}\nresources: {instance_count: 9}\n"
    plan = InMemoryProject().plan(with_compute(job, "{type: local, gpus: 2}"))
    (blocked,) = (item for item in plan.blocked if item.refusals)
    assert {item.code for item in blocked.refusals} == {"compute-too-small", "gpus-shared"}
    assert blocked.message == (
        "asks for 9 instances, but the compute gpu has 4 (max_instances is not set) (jobs/sum.yml:8:29)"
    )


LIMIT = Limit(4, "a file")


@pytest.mark.parametrize(
    ("request_", "gpus", "capacity", "message"),
    [
        (
            Resources(instances=5),
            0,
            Capacity(instances=LIMIT),
            "asks for 5 instances, but the compute c has 4 (a file)",
        ),
        (
            Resources(docker_args="--cpus 4.5"),
            0,
            Capacity(cpus=LIMIT),
            "asks for 4.5 processors, but the compute c has 4 (a file)",
        ),
        (
            Resources(docker_args="-m 6g"),
            0,
            Capacity(memory=Limit(4 << 30, "a file")),
            "asks for 6 GiB of memory, but the compute c has 4 GiB (a file)",
        ),
        (Resources(), 5, Capacity(gpus=LIMIT), "asks for 5 GPUs, but the compute c has 4 (a file)"),
        (
            Resources(instances=2),
            9,
            Capacity(gpus=LIMIT),
            "asks for 5 GPUs an instance, but the compute c has 4 (a file)",
        ),
        (
            Resources(timeout=7200),
            0,
            Capacity(seconds=Limit(3600, "the partition p")),
            "asks for a time limit of 7200 seconds, but the compute c has 3600 (the partition p)",
        ),
    ],
)
def test_what_a_run_asks_for_beyond_its_compute_is_said_with_what_there_is(request_, gpus, capacity, message):
    (problem,) = check_request(RunRequest(Compute("c"), request_), capacity, gpus)
    assert (problem.code, problem.message, problem.is_certain) == ("compute-too-small", message, True)


AMOUNTS = st.integers(1, 64)


@given(st.tuples(*[AMOUNTS] * 5), st.tuples(*[AMOUNTS] * 5))
def test_a_run_is_refused_exactly_if_it_asks_for_more_of_something(asked, available):
    instances, cpus, memory, gpus, seconds = asked
    resources = Resources(instances, timeout=seconds, docker_args=f"--cpus {cpus} --memory {memory}g")
    limits = [Limit(number, "a file") for number in available]
    limits[2] = Limit(available[2] << 30, "a file")
    problems = [*check_request(RunRequest(Compute("c"), resources), Capacity(*limits), gpus * instances)]
    exceeding = sum(wanted > there for wanted, there in zip(asked, available, strict=True))
    assert sum(problem.is_certain for problem in problems) == exceeding
    assert [*check_request(RunRequest(Compute("c"), resources), Capacity(), None)] == []


TEXTS = st.sampled_from(["2", "2.0", "x", "", "${{parent.inputs.n}}", "1e400", "-3", "nan"])


@given(st.one_of(st.none(), st.integers(), TEXTS, st.lists(st.integers(), max_size=2)))
def test_no_number_of_instances_of_a_compute_breaks_the_check(value):
    limit = declared_slots({}, Compute("c", {"type": "amlcompute", "max_instances": value}))
    assert limit is not None
    assert limit.value >= 1


@pytest.mark.parametrize(
    ("settings", "size", "processes", "gpus"),
    [
        ({}, "Standard_NC6s_v3", 1, None),  # the machine decides
        ({}, "Standard_DS3_v2", 1, 0),
        ({"gpus": 4}, "", 1, 1),
        ({"gpus": 4}, "Standard_NC24s_v3", 2, 2),
        ({"gpus": 4}, "Standard_NC24s_v3", 8, 4),
        ({"gpus": 4}, "Standard_DS3_v2", 2, 0),
        ({"gpus": ["GPU-a", "GPU-b"], "gpus_per_run": 2}, "Standard_DS3_v2", 1, 2),
        ({"gpus": 0, "gpus_per_run": 0}, "Standard_NC6s_v3", 1, 0),
        ({"gpus_per_run": 0}, "Standard_NC6s_v3", 1, 0),
        ({"gpus_per_run": 2}, "Standard_NC6s_v3", 1, 2),
    ],
)
def test_how_many_gpus_a_run_takes_follows_from_settings_size_and_processes(settings, size, processes, gpus):
    distribution = {"type": "pytorch", "process_count_per_instance": processes}
    request = RunRequest(Compute("c", {"size": size}), Resources(), distribution)
    assert count_gpus(settings, request) == gpus


def test_a_plug_in_that_says_nothing_of_capacity_refuses_nothing():
    plugin = BackendPlugin(open="none:none")
    assert plugin.find_capacity({}, RunRequest()) == Capacity()
    assert plugin.count_gpus({}, RunRequest()) is None


class OneBackend:
    """A registry with one plug-in, under any name."""

    failed_error = BACKENDS.failed_error

    def __init__(self, plugin: BackendPlugin) -> None:
        self.plugin = plugin

    def has(self, _name: str) -> bool:
        return True

    def load(self, _name: str) -> BackendPlugin:
        return self.plugin


def test_a_plug_in_whose_capacity_fails_is_a_diagnostic(monkeypatch):
    def fail(_settings: object, _request: object) -> Capacity:
        raise RuntimeError("no idea")

    monkeypatch.setattr(backend_lookup, "BACKENDS", OneBackend(BackendPlugin(open="none:none", find_capacity=fail)))
    backend = backend_lookup.make_backend_lookup(plan_options_of(small()).config)("local")
    assert backend is not None
    with pytest.raises(UserError, match="the backend 'local' cannot be used: RuntimeError: no idea"):
        backend.find_capacity(RunRequest())


def test_a_size_is_known_by_its_name_in_any_case():
    assert find_vm_size("STANDARD_nd40rs_v2") == ("Standard_ND40rs_v2", 40, 672, 8)
    assert find_vm_size("Standard_DS3_v2") == ("Standard_DS3_v2", 4, 14.0, 0)
    assert find_vm_size("Standard_E4s_v3") == ("Standard_E4s_v3", 4, 32, 0)
    assert find_vm_size("Standard_of_tomorrow") is None
