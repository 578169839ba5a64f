from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from planning.world import declared_by, edited, small

from reconciler.diagnostics import Span
from reconciler.model import Address, Asset, Reference
from reconciler.planning.graph import cycles, ordered


def test_a_job_that_reads_by_label_what_follows_from_it_is_a_cycle_shown_with_its_path():
    files = edited(
        "jobs/sum.yml",
        "{type: uri_file, path: azureml:numbers@latest}",
        "{type: custom_model, path: azureml:total@latest}",
    )
    (problem,) = cycles(declared_by(files))
    assert problem.code == "reference-cycle"
    circle = problem.message.partition(": ")[2].split(" -> ")
    assert circle in (["job/sum", "model/total", "job/sum"], ["model/total", "job/sum", "model/total"])
    assert problem.span in (Span("jobs/sum.yml", 8, 38), Span("models/total.yml", 4, 7))


def test_a_job_that_reads_its_own_output_is_a_cycle():
    files = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml://jobs/sum/outputs/total")
    (problem,) = cycles(declared_by(files))
    assert problem.message.endswith(": job/sum -> job/sum")


def test_small_has_no_cycle():
    assert cycles(declared_by(small())) == ()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.randoms())
def test_every_asset_comes_after_what_it_references_in_an_order_of_its_own(pairs, chance):
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
    order = ordered({each.address: each for each in assets})
    assert sorted(order, key=lambda each: each.source) == assets
    places = {each.address: place for place, each in enumerate(order)}
    assert all(places[address(low)] < places[address(n)] for n in edges for low in edges[n])
    chance.shuffle(assets)
    assert ordered({each.address: each for each in assets}) == order
