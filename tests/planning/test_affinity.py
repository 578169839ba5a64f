from __future__ import annotations

import textwrap

import pytest
from planning.project import (
    NUMBERS,
    PLAIN,
    SUM,
    TOTAL,
    InMemoryProject,
    condition_of,
    edited,
    plan_options_of,
    small,
    without,
)

from reconciler.config.config import Config
from reconciler.model import Address, Op, Plan, RunStatus
from reconciler.planning.affinity import (
    deferral_reason,
    deferred_notes,
    restrict_plan_to_host,
)

ON_BIG = {"store": "store: {host: big}", "backend": "backends: {local: {type: local, host: big}}"}


def config(*lines: str) -> Config:
    text = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n' + "\n".join(lines)
    return plan_options_of({"mlgit.yml": textwrap.dedent(text)}).config


def unassigned(plan: Plan, settings: Config, here: str = "laptop") -> dict[str, str]:
    restricted = restrict_plan_to_host(plan, settings, here)
    return {str(blocked.address): blocked.message for blocked in restricted.blocked}


@pytest.fixture
def plan() -> Plan:
    return InMemoryProject().plan(small())


def test_without_host_affinity_the_whole_plan_is_kept(plan):
    assert restrict_plan_to_host(plan, config(), "laptop") is plan


@pytest.mark.parametrize("lines", [[ON_BIG["store"]], [ON_BIG["backend"]], [*ON_BIG.values()]])
def test_the_host_itself_keeps_the_whole_plan(plan, lines):
    assert restrict_plan_to_host(plan, config(*lines), "big") is plan


def test_without_the_store_only_content_and_runs_are_blocked(plan):
    settings = config(ON_BIG["store"])
    message = "can only be done on big, which has the store"
    assert unassigned(plan, settings) == {str(NUMBERS): message, str(SUM): message, str(TOTAL): "waits for job/sum"}
    assert [action.address for action in restrict_plan_to_host(plan, settings, "laptop").actions] == [
        Address("workspace", "small"),
        PLAIN,
        PLAIN,
    ]


def test_notes_list_the_actions_of_other_hosts(plan):
    assert deferred_notes(plan, config(ON_BIG["store"]), "laptop") == (
        "data/numbers, job/sum: can only be done on big, which has the store",
        "model/total: waits for job/sum",
    )
    assert deferred_notes(plan, config(ON_BIG["store"]), "big") == ()


def test_without_the_backend_its_runs_are_blocked(plan):
    assert unassigned(plan, config(ON_BIG["backend"])) == {
        str(SUM): "can only be done on big, which has the backend local",
        str(TOTAL): "waits for job/sum",
    }


def test_data_at_a_uri_needs_no_store():
    files = edited("data/numbers.yml", "path: numbers.csv", "path: https://example.org/numbers.csv")
    plan = InMemoryProject().plan(without("jobs/sum.yml", without("models/total.yml", files)))
    assert unassigned(plan, config(ON_BIG["store"])) == {}


@pytest.mark.parametrize("lines", [[ON_BIG["store"]], [ON_BIG["backend"]]])
def test_the_end_of_a_run_is_recorded_on_the_host_of_its_backend(lines):
    project = InMemoryProject()
    project.apply(small())
    plan = project.plan(
        small(), reports={project.latest().id: condition_of(RunStatus.FAILED, {"failure": {"class": "user"}})}
    )
    (record,) = (action for action in plan.actions if action.op is Op.RECORD)
    assert deferral_reason(record, config(*lines), "laptop").startswith("can only be done on big")
    assert deferral_reason(record, config(*lines), "big") == ""


def test_a_description_can_be_updated_on_any_machine():
    project = InMemoryProject()
    project.converge(small())
    plan = project.plan(edited("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: three"))
    assert [action.op for action in plan.actions] == [Op.UPDATE]
    assert restrict_plan_to_host(plan, config(*ON_BIG.values()), "laptop") is plan


def test_backends_are_reachable_from_their_host_only():
    both = config("backends: {local: {type: local, host: big}, far: {type: local}}")
    assert {*both.reachable_backends("big")} == {"local", "far"}
    assert {*both.reachable_backends("laptop")} == {"far"}
    assert config(ON_BIG["store"]).reachable_backends("laptop") == {}
    assert [both.backend_host(host) for host in ("local", "far", "gone")] == ["big", "", ""]


def test_only_the_store_host_has_the_store():
    assert [config(ON_BIG["store"]).has_store(host) for host in ("big", "laptop")] == [True, False]
    assert config().has_store("laptop")


def test_every_machine_makes_the_same_plan(plan):
    settings = config(ON_BIG["store"])
    assert restrict_plan_to_host(plan, settings, "laptop")._replace(actions=(), blocked=()) == plan._replace(
        actions=(), blocked=()
    )
