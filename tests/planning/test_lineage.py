"""Lineages: what a version or a run was made of, and what was made of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from reconciler.model import Address, Record, ResolvedReference, Run, RunStatus, State
from reconciler.model.lineage import Lineage
from reconciler.model.step_runs import StepRun
from reconciler.planning.data_places import Datastores
from reconciler.planning.lineage import trace_lineage, trace_place
from reconciler.render.lineage import draw_lineage, format_lineage, lineage_to_json

pytestmark = pytest.mark.fast

NO_DATASTORES = Datastores(SimpleNamespace(datastores={}, mirrors={}))  # type: ignore[arg-type]
JOB, DATA, MODEL = Address("job", "train"), Address("data", "iris"), Address("model", "iris")


def refer(address: Address, version: str, output: str = "") -> ResolvedReference:
    return ResolvedReference(address, version, "", output)


def version(address: Address, number: str, **references: ResolvedReference) -> Record:
    pointers = {f"/{name}": reference for name, reference in references.items()}
    return Record(address, {}, "", "", 1, version=number, references=pointers)


def run(run_id: str, **references: ResolvedReference) -> Run:
    pointers = {f"/inputs/{name}/path": reference for name, reference in references.items()}
    return Run(run_id, JOB, "", "", 1, "local", RunStatus.COMPLETED, references=pointers)


def make_state(*items: Record | Run) -> State:
    """Return a state that has some versions and runs."""
    runs = {item.id: item for item in items if isinstance(item, Run)}
    records = {(item.address, item.version): item for item in items if isinstance(item, Record)}
    return State("", {}, lambda _, name: runs.get(name), lambda address, name: records.get((address, name)))


DATA_1 = version(DATA, "1")
RUN_1 = run("train-1", data=refer(DATA, "1"))
MODEL_1 = version(MODEL, "1", path=refer(JOB, "train-1", "model"))
RUN_2 = run("train-2", data=refer(DATA, "1"), start=refer(MODEL, "1"))
MODEL_2 = version(MODEL, "2", path=refer(JOB, "train-2", "model"))
ALL = (DATA_1, RUN_1, MODEL_1, RUN_2, MODEL_2)


def test_a_lineage_leads_up_to_all_that_something_was_made_of():
    lineage = trace_lineage(make_state(*ALL), MODEL_2, NO_DATASTORES, list, down=False)
    assert [line.split("  completed")[0] for line in format_lineage(lineage).splitlines()] == [
        "model/iris@2",
        "  <- run train-2  [output model]",
        "       <- data/iris@1  [inputs.data]",
        "       <- model/iris@1  [inputs.start]",
        "            <- run train-1  [output model]",
        "                 <- data/iris@1  [inputs.data]",
    ]


def test_a_lineage_leads_down_to_all_that_was_made_of_something():
    lineage = trace_lineage(make_state(*ALL), DATA_1, NO_DATASTORES, lambda: ALL, up=False)
    assert [line.split("  completed")[0] for line in format_lineage(lineage).splitlines()] == [
        "data/iris@1",
        "  -> run train-1  [inputs.data]",
        "       -> model/iris@1  [output model]",
        "            -> run train-2  [inputs.start]",
        "                 -> model/iris@2  [output model]",
        "  -> run train-2  [inputs.data]  as above",
    ]


def test_both_directions_agree_on_every_edge():
    state = make_state(*ALL)
    up = {edge for item in ALL for edge in trace_lineage(state, item, NO_DATASTORES, list, down=False).up}
    down = {edge for item in ALL for edge in trace_lineage(state, item, NO_DATASTORES, lambda: ALL, up=False).down}
    assert up == down


def test_what_is_not_recorded_any_more_is_named():
    lineage = trace_lineage(make_state(MODEL_1), MODEL_1, NO_DATASTORES, list, down=False)
    assert format_lineage(lineage).splitlines()[1] == "  <- run train-1  [output model]  not recorded any more"


def test_a_compute_without_a_file_was_never_recorded():
    reference = refer(Address("compute", "cpu"), "")
    run = Run("train-1", JOB, "", "", 1, "local", RunStatus.COMPLETED, references={"/compute": reference})
    lineage = trace_lineage(make_state(run), run, NO_DATASTORES, list, down=False)
    assert format_lineage(lineage).splitlines()[1:] == ["  <- compute/cpu  [compute]  not recorded"]


def test_data_on_a_service_shows_where_it_is_and_how_it_was_pinned():
    location = {"uri": "azureml://datastores/blob/paths/a.csv", "datastore": "blob", "path": "a.csv", "folder": False}
    pinned = replace(DATA_1, realised={"locations": {"/path": {**location, "size": 12, "etag": "0x1"}}})
    lineage = trace_lineage(make_state(pinned), pinned, NO_DATASTORES, list, down=False)
    line = format_lineage(lineage).splitlines()[0]
    assert line.endswith("azureml://datastores/blob/paths/a.csv, ETag 0x1, 12 bytes")


LAKE = Datastores(SimpleNamespace(datastores={"lake": {"type": "local"}}, mirrors={}))  # type: ignore[arg-type]
TABLE = "azureml://datastores/lake/paths/out/t.csv"


def content_of(letter: str, **fields: object) -> dict[str, object]:
    return {"md5": letter * 32, "sha256": letter * 64, "size": 12, "files": 1, "name": "t.csv", **fields}


def make_writer(run_id: str, letter: str, path: str = TABLE, **fields: object) -> Run:
    return replace(run(run_id), outputs={"table": content_of(letter, path=path, **fields)})


def make_reader(run_id: str, letter: str, url: str) -> Run:
    return replace(run(run_id), realised={"downloads": {"/inputs/in/path": content_of(letter, url=url)}})


WRITERS = (
    make_writer("make-a", "a"),
    make_writer("make-b", "b", "azureml://datastores/lake/paths/out/"),
    make_writer("make-c", "c", unwritten="no", pending_write=True),
    make_writer("make-d", "d", "azureml://datastores/elsewhere/paths/t.csv"),
)
LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/lake/paths/out/t.csv"
READERS = (make_reader("read-b", "b", LONG), make_reader("read-x", "e", "https://u:secret@x.y/t.csv"))
PLACES = (*WRITERS, *READERS)


def lines_of(start: Run, **directions: bool) -> list[str]:
    lineage = trace_lineage(make_state(*PLACES), start, LAKE, lambda: PLACES, **directions)
    return [line.split("  completed")[0] for line in format_lineage(lineage).splitlines()]


def test_what_a_run_read_from_a_uri_leads_to_the_run_that_wrote_these_bytes_there():
    assert lines_of(READERS[0]) == [
        "run read-b",
        f"  <- {TABLE} (sha256 bbbbbbbbbb)  [inputs.in]  12 bytes",
        "       <- run make-b  [output table]",
    ]
    assert lines_of(READERS[1])[1] == "  <- https://u:***@x.y/t.csv (sha256 eeeeeeeeee)  [inputs.in]  12 bytes"


def test_what_a_run_wrote_to_a_datastore_leads_to_the_runs_that_read_it():
    assert lines_of(WRITERS[1]) == [
        "run make-b",
        f"  -> {TABLE} (sha256 bbbbbbbbbb)  [output table]  12 bytes",
        "       -> run read-b  [inputs.in]",
    ]
    assert lines_of(WRITERS[0])[1:] == [f"  -> {TABLE} (sha256 aaaaaaaaaa)  [output table]  12 bytes"]
    assert lines_of(WRITERS[0], down=False) == ["run make-a", "  nothing else is recorded with it"]
    for not_written in WRITERS[2:]:
        assert lines_of(not_written)[1:] == ["  nothing else is recorded with it"]


def test_places_agree_in_both_directions_and_are_in_json_and_mermaid():
    def trace(item: Run, **directions: bool) -> Lineage:
        return trace_lineage(make_state(*PLACES), item, LAKE, lambda: PLACES, **directions)

    up = {edge for item in PLACES for edge in trace(item, down=False).up}
    down = {edge for item in PLACES for edge in trace(item, up=False).down if not edge.node.uri}
    assert {edge for edge in up if edge.node.is_run and not edge.used.uri.startswith("https")} == down
    document = lineage_to_json(trace(READERS[0]))
    place = {"name": f"{TABLE} (sha256 bbbbbbbbbb)", "type": "place", "address": TABLE, "version": "b" * 64}
    assert {**place, "details": "12 bytes"} in document["nodes"]
    assert [edge["used"] for edge in document["edges"]] == [place["name"], "run make-b"]
    drawn = draw_lineage(trace(READERS[0]))
    assert '  n1[("lake/paths/out/t#46;csv#32;#40;sha256#32;bbbbbbbbbb#41;")]' in drawn.splitlines()
    assert '  n2 -- "output table" --> n1' in drawn.splitlines()


def lines_at(uri: str, *items: Record | Run, **directions: bool) -> list[str]:
    lineage = trace_place(make_state(*items), uri, LAKE, lambda: items, **directions)
    assert lineage is not None
    return [line.split("  completed")[0] for line in format_lineage(lineage).splitlines()]


def test_a_lineage_starts_at_a_place_which_leads_to_all_contents_that_were_there():
    """However its URI is written."""
    assert lines_at(LONG, *PLACES) == [
        TABLE,
        f"  <- {TABLE} (sha256 aaaaaaaaaa)  [content]  12 bytes",
        "       <- run make-a  [output table]",
        f"  <- {TABLE} (sha256 bbbbbbbbbb)  [content]  12 bytes",
        "       <- run make-b  [output table]",
        f"  -> {TABLE} (sha256 aaaaaaaaaa)  [content]  12 bytes",
        f"  -> {TABLE} (sha256 bbbbbbbbbb)  [content]  12 bytes",
        "       -> run read-b  [inputs.in]",
    ]


def test_a_place_with_one_content_is_that_content_and_a_password_is_not_shown():
    assert lines_at("https://u:secret@x.y/t.csv", *PLACES) == [
        "https://u:***@x.y/t.csv (sha256 eeeeeeeeee)  12 bytes",
        "  -> run read-x  [inputs.in]",
    ]


def test_a_place_leads_to_the_versions_that_were_registered_from_it_and_to_who_uses_them():
    location = {"uri": TABLE, "datastore": "lake", "path": "out/t.csv", "folder": False, "size": 12, "etag": "0x1"}
    data = replace(DATA_1, realised={"locations": {"/path": location}})
    lines = lines_at(TABLE, data, RUN_1, up=False)
    assert (lines[0], lines[2]) == (TABLE, "       -> run train-1  [inputs.data]")
    assert lines[1].startswith("  -> data/iris@1  [path]")


def test_a_place_that_nothing_names_has_no_lineage():
    assert trace_place(make_state(*PLACES), "https://x.y/other", LAKE, lambda: PLACES) is None


def test_what_a_command_reads_and_writes_by_itself_is_a_place_without_a_content():
    direct = {"type": "uri_file", "path": TABLE, "mode": "direct"}
    made = replace(run("make-e"), spec={"outputs": {"out": direct}})
    used = replace(run("read-e"), spec={"inputs": {"in": direct, "other": {"path": "./x"}}})
    lineage = trace_lineage(make_state(made, used), used, LAKE, lambda: (made, used))
    assert [line.split("  completed")[0] for line in format_lineage(lineage).splitlines()] == [
        "run read-e",
        f"  <- {TABLE}  [inputs.in]  read or written by the command itself",
        "       <- run make-e  [output out]",
    ]


def test_steps_of_a_pipeline_wrote_what_they_did_not_reuse():
    steps = (
        StepRun("prepare", RunStatus.COMPLETED, outputs={"table": content_of("a", path=TABLE)}),
        StepRun("old", RunStatus.COMPLETED, reused_from="x/old", outputs={"t": content_of("b", path=TABLE)}),
    )
    pipeline = replace(run("pipe-1"), backend="driver")
    state = make_state(pipeline)._replace(find_steps=lambda _: steps)
    lineage = trace_lineage(state, pipeline, LAKE, lambda: (pipeline,))
    assert [(str(edge.node), edge.role) for edge in lineage.down] == [
        (f"{TABLE} (sha256 aaaaaaaaaa)", "prepare, output table")
    ]


def test_something_by_itself_has_no_lineage_and_says_so():
    lineage = trace_lineage(make_state(DATA_1), DATA_1, NO_DATASTORES, lambda: [DATA_1])
    assert format_lineage(lineage) == "data/iris@1\n  nothing else is recorded with it"


def test_runs_whose_steps_were_reused_belong_to_a_lineage():
    steps = (StepRun("prepare", RunStatus.COMPLETED, reused_from="train-1/prepare"),)
    state = make_state(*ALL)._replace(find_steps=lambda name: steps if name == "train-2" else ())
    lineage = trace_lineage(state, RUN_2, NO_DATASTORES, list, down=False)
    assert "run train-1  [reused prepare]" in format_lineage(lineage)


def test_a_chain_of_two_thousand_models_is_shown():
    items: list[Record | Run] = [version(MODEL, "0")]
    for number in range(1, 2000):
        items.append(run(f"train-{number}", start=refer(MODEL, str(number - 1))))
        items.append(version(MODEL, str(number), path=refer(JOB, f"train-{number}", "model")))
    lineage = trace_lineage(make_state(*items), items[-1], NO_DATASTORES, list, down=False)
    assert len(format_lineage(lineage).splitlines()) == len(items)


def test_a_node_is_drawn_once_however_many_edges_it_has():
    lineage = trace_lineage(make_state(*ALL), MODEL_2, NO_DATASTORES, list, down=False)
    drawn = draw_lineage(lineage).splitlines()
    assert len([line for line in drawn if "data/iris" in line]) == 1
    assert len([line for line in drawn if "-->" in line]) == len(lineage_to_json(lineage)["edges"]) == 5
