from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning.project import SUM, TOTAL, InMemoryProject, action_keys, declared_by, edited, small

from reconciler.diagnostics import Span
from reconciler.model import Address, Asset, Reference
from reconciler.planning.graph import find_cycles, graph_levels, topological_order
from reconciler.planning.referencable import existence_check

pytestmark = pytest.mark.fast

NUMBERS = "{type: uri_file, path: azureml:numbers@latest}"
EXACT = edited("jobs/sum.yml", NUMBERS, '{type: custom_model, path: "azureml:total:1"}')


def test_a_job_that_reads_a_version_made_from_its_output_by_label_is_a_cycle():
    files = edited(
        "jobs/sum.yml",
        NUMBERS,
        "{type: custom_model, path: azureml:total@latest}",
    )
    (diagnostic,) = find_cycles(declared_by(files))
    assert diagnostic.code == "reference-cycle"
    circle = diagnostic.message.partition(": ")[2].split(" -> ")
    assert circle in (["job/sum", "model/total", "job/sum"], ["model/total", "job/sum", "model/total"])
    assert diagnostic.span in (Span("jobs/sum.yml", 8, 38), Span("models/total.yml", 4, 7))


def test_a_job_that_reads_its_own_output_is_a_cycle():
    files = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml://jobs/sum/outputs/total")
    (diagnostic,) = find_cycles(declared_by(files))
    assert diagnostic.message.endswith(": job/sum -> job/sum")


def test_small_has_no_cycle():
    assert find_cycles(declared_by(small())) == ()


def test_an_exact_version_that_is_live_closes_no_cycle():
    project = InMemoryProject()
    project.converge(small())
    declared = declared_by(EXACT)
    assert find_cycles(declared, existence_check(project.state())) == ()
    assert [str(asset.address) for asset in topological_order(declared.assets)][-2:] == ["job/sum", "model/total"]
    assert action_keys(project.plan(EXACT)) == ["submit job/sum", "register model/total"]
    project.converge(EXACT)
    assert project.records[TOTAL].version == "2"
    assert project.plan(EXACT).actions == ()


def test_without_a_live_state_exact_versions_are_assumed_to_exist():
    assert find_cycles(declared_by(EXACT)) == ()


@pytest.mark.parametrize("version", ["1", "7"])
def test_an_exact_version_that_is_not_live_closes_a_cycle(version):
    project = InMemoryProject()
    if version == "7":
        project.converge(small())
    files = edited("jobs/sum.yml", "total:1", f"total:{version}", EXACT)
    (diagnostic,) = find_cycles(declared_by(files), existence_check(project.state()))
    assert diagnostic.code == "reference-cycle"


def test_an_archived_version_closes_a_cycle_like_a_missing_one():
    project = InMemoryProject()
    project.converge(small())
    project.records[TOTAL] = replace(project.records[TOTAL], archived=True)
    assert [diagnostic.code for diagnostic in find_cycles(declared_by(EXACT), existence_check(project.state()))] == [
        "reference-cycle"
    ]


def test_a_version_that_the_cycle_itself_declares_closes_it():
    project = InMemoryProject()
    project.converge(small())
    declared = declared_by(edited("models/total.yml", "name: total", "name: total\nversion: 1", EXACT))
    assert [diagnostic.code for diagnostic in find_cycles(declared)] == ["reference-cycle"]
    assert [diagnostic.code for diagnostic in find_cycles(declared, existence_check(project.state()))] == [
        "reference-cycle"
    ]


def test_an_exact_version_outside_of_a_cycle_waits_for_its_asset():
    declared = declared_by(edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:1"))
    level = graph_levels(declared.assets)
    assert level[SUM] > level[Address("data", "numbers")]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()), max_size=24))
def test_only_references_that_close_a_cycle_are_ignored_for_the_order(edges):
    def address(n: int) -> Address:
        return Address("data", f"d{n}")

    edges = [(user, above, exact) for user, above, exact in edges if exact or user > above]
    mentions = {n: [(above, exact) for user, above, exact in edges if user == n] for n in range(8)}
    assets = {
        address(n): Asset(
            address(n),
            {},
            "",
            references=tuple(Reference("", "", address(above), "1" * exact) for above, exact in references),
        )
        for n, references in mentions.items()
    }

    def reaches(start: int, goal: int) -> bool:
        visited, pending = {start}, [start]
        while pending:
            new = {above for above, _ in mentions[pending.pop()]} - visited
            visited |= new
            pending += new
        return goal in visited

    level = graph_levels(assets)
    assert len(level) == 8, "what is no exact version leads to lower numbers only"
    for user, above, exact in edges:
        if not exact or not reaches(above, user):
            assert level[address(user)] > level[address(above)]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.randoms())
def test_the_order_is_total_and_puts_every_asset_after_its_references(pairs, chance):
    def address(n: int) -> Address:
        return Address("data", f"d{n}")

    edges = {n: {low for low, high in pairs if high == n and low < n} for n in range(10)}
    assets = [
        Asset(
            address(n),
            {},
            f"{n}.yml",
            references=tuple(Reference(f"/{low}", "", address(low)) for low in sorted(edges[n])),
        )
        for n in range(10)
    ]
    order = topological_order({asset.address: asset for asset in assets})
    assert sorted(order, key=lambda ordered_asset: ordered_asset.source) == assets
    places = {asset.address: index for index, asset in enumerate(order)}
    assert all(places[address(low)] < places[address(n)] for n in edges for low in edges[n])
    chance.shuffle(assets)
    assert topological_order({asset.address: asset for asset in assets}) == order
