"""On which computes runs go, and for how many GPU-hours at most, as a plan says it."""

from __future__ import annotations

import pytest

from reconciler.model import Op
from reconciler.model.capacity import RunPlace
from reconciler.render.run_places import gpu_hours_line, run_place_lines, run_places_clause, run_places_to_json

pytestmark = pytest.mark.fast

LOCAL = RunPlace("local", "local")


@pytest.mark.parametrize(
    ("places", "clause", "lines"),
    [
        ([LOCAL], " on local", []),
        ([RunPlace("cpu-cluster", "local")], " on cpu-cluster (local)", []),
        ([RunPlace("far", "")], " on far", []),
        ([RunPlace("cpu", "slurm", instances=3)], " on cpu (slurm)", ["3 instances"]),
        (
            [RunPlace("gpu", "slurm", instances=2, gpus=8, gpu_hours=64.0)],
            " on gpu (slurm)",
            ["2 instances, 8 GPUs, at most 64 GPU-hours"],
        ),
        ([RunPlace("gpu", "gpu", gpus=1, gpu_hours=None)], " on gpu", ["1 GPU, no time limit"]),
        ([RunPlace("gpu", "gpu", gpus=1, gpu_hours=1.0)], " on gpu", ["1 GPU, at most 1 GPU-hour"]),
        ([RunPlace("gpu", "gpu", gpus=1, gpu_hours=1 / 120)], " on gpu", ["1 GPU, at most 0.1 GPU-hours"]),
        ([RunPlace("gpu", "gpu", gpus=9, gpu_hours=12345.61)], " on gpu", ["9 GPUs, at most 12,345.7 GPU-hours"]),
        (
            [RunPlace("gpu", "gpu", steps=1, trials=20, gpus=1, gpu_hours=10.0)],
            " on gpu",
            ["20 trials, up to 1 GPU each, at most 10 GPU-hours"],
        ),
        (
            [RunPlace("local", "local", steps=4), RunPlace("gpu", "slurm", steps=3, instances=2, gpus=4, gpu_hours=8)],
            " on local, gpu (slurm)",
            ["gpu: up to 2 instances each, up to 4 GPUs each, at most 8 GPU-hours"],
        ),
        ([RunPlace(f"c{number}", "") for number in range(5)], " on c0, c1, c2 and 2 more", []),
    ],
)
def test_a_run_is_said_to_be_on_its_computes_and_what_it_takes_below(places, clause, lines):
    document = run_places_to_json(places)
    assert run_places_clause(document) == clause
    assert list(run_place_lines(document)) == lines


def submission(name: str, *places: RunPlace, op: Op = Op.SUBMIT) -> dict[str, object]:
    return {"action": op, "address": f"job/{name}", "runs_on": run_places_to_json(places)}


def test_a_plan_without_gpus_has_no_line_about_them():
    assert gpu_hours_line([submission("a", LOCAL), {"action": "create", "address": "data/a"}]) == ""


def test_the_gpu_hours_of_a_plan_are_those_of_all_its_runs_and_name_those_without_a_limit():
    limited = RunPlace("gpu", "slurm", gpus=2, gpu_hours=1.5)
    unlimited = RunPlace("gpu", "slurm", gpus=1, gpu_hours=None)
    assert gpu_hours_line([submission("a", limited, LOCAL), submission("b", limited)]) == "GPUs: at most 3 GPU-hours."
    assert gpu_hours_line([submission("a", limited), submission("b", unlimited)]) == (
        "GPUs: at most 1.5 GPU-hours, and job/b has no time limit (limits.timeout)."
    )
    assert gpu_hours_line([submission("a", unlimited, unlimited), submission("b", unlimited)]) == (
        "GPUs: job/a, job/b have no time limit (limits.timeout)."
    )
