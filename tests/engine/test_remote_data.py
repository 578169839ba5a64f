"""Data in a datastore: pinned when it is registered, brought into the store for runs, looked at again for drift."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from workspaces import APPLY, commit

pytestmark = pytest.mark.slow

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: {}\npath: {}\n"
DATASTORE = (
    "$schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json\n"
    "name: lake\ntype: azure_blob\naccount_name: acc\ncontainer_name: box\n"
)
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: {command}
environment: azureml:plain@latest
inputs: {inputs}
outputs: {outputs}
"""
URI = "azureml://datastores/lake/paths/"
WASBS = "wasbs://box@acc.blob.core.windows.net/"


@pytest.fixture
def lake(applied: Path) -> Path:
    """Give the workspace a datastore of Azure that mlgit.yml binds to a folder; return the folder."""
    config = (applied / "mlgit.yml").read_text("utf-8")
    bound = f"{config}datastores: {{lake: {{type: local, path: ../lake}}}}\n"
    commit(applied, "datastore", {"mlgit.yml": bound, "datastores/lake.yml": DATASTORE})
    folder = applied.parent / "lake"
    put(folder, {"in/a.csv": "a,b\n1,2\n", "in/b c.csv": "x\n", "in/n.txt": "text\n", "in/sub/d.csv": "deep\n"})
    return folder


def put(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def add_data(folder: Path, name: str, path: str, type_: str = "uri_file") -> None:
    commit(folder, f"data {name}", {f"data/{name}.yml": DATA.format(name, type_, json.dumps(path))})


def add_job(folder: Path, name: str, command: str, inputs: object, outputs: object = None) -> None:
    text = JOB.format(command=json.dumps(command), inputs=json.dumps(inputs), outputs=json.dumps(outputs or {}))
    commit(folder, f"job {name}", {f"jobs/{name}.yml": text})


def file_input(path: str, **fields: str) -> dict[str, str]:
    return {"type": "uri_file", "path": path, **fields}


def realised_of(mlgit: Callable[..., Any], folder: Path, name: str) -> dict[str, Any]:
    shown = json.loads(mlgit("show", f"data/{name}", "--format", "json", cwd=folder).out)
    realised = shown["realised"]
    assert isinstance(realised, dict)
    return realised


def location_of(mlgit: Callable[..., Any], folder: Path, name: str) -> dict[str, Any]:
    location = realised_of(mlgit, folder, name)["locations"]["/path"]
    assert isinstance(location, dict)
    return location


def test_a_version_is_pinned_by_what_its_datastore_says_of_it(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/a.csv")
    add_data(applied, "folder", f"{URI}in/", "uri_folder")
    add_data(applied, "some", f"{URI}in/**/*.csv", "uri_folder")
    plan = mlgit("plan", cwd=applied)
    assert (
        f"data/far: path (data/far.yml:4:7): {URI}in/a.csv is pinned by its ETag, or its size and date, when it is "
        "registered"
    ) in plan.out
    assert mlgit(*APPLY, cwd=applied).code == 0
    far = location_of(mlgit, applied, "far")
    assert (far["uri"], far["datastore"], far["path"], far["size"]) == (f"{URI}in/a.csv", "lake", "in/a.csv", 8)
    assert far["modified"]
    assert (location_of(mlgit, applied, "folder")["size"], location_of(mlgit, applied, "folder")["folder"]) == (
        20,
        True,
    )
    assert location_of(mlgit, applied, "some")["size"] == 15
    assert "contents" not in realised_of(mlgit, applied, "far")
    assert not list((applied / ".mlgit/store").rglob("fetched/*"))
    assert mlgit("plan", cwd=applied).out.startswith("No changes.")


def test_the_same_file_by_every_name_is_one_object_and_one_transfer(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/a.csv")
    add_data(applied, "same", f"{WASBS}in/a.csv")
    names = ["azureml:far:1", "azureml:same@latest", f"{URI}in/a.csv", f"{WASBS}in/a.csv"]
    names += [f"{scheme}://acc.blob.core.windows.net/box/in/a.csv" for scheme in ("https", "wasbs")]
    inputs = {f"i{index}": file_input(name) for index, name in enumerate(names)}
    add_job(applied, "all", "cat " + " ".join(f"${{{{inputs.{name}}}}}" for name in inputs), inputs)
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 0, result.out
    assert mlgit("job", "logs", "jobs/all", cwd=applied).out == (lake / "in/a.csv").read_text() * 6
    assert len(list((applied / ".mlgit/store").rglob("fetched/*"))) == 1
    traced = mlgit("lineage", f"{WASBS}in/a.csv", cwd=applied)
    assert traced.code == 0, traced.err
    for user in ("data/far@1  [path]", "data/same@1  [path]", "[inputs.i2]"):
        assert user in traced.out
    assert "[place-unknown]" in mlgit("lineage", f"{URI}in/none.csv", cwd=applied).err


def test_folders_wildcards_spaces_and_modes(applied, lake, mlgit):
    inputs = {
        "folder": {"type": "uri_folder", "path": f"{URI}in"},
        "some": {"type": "uri_folder", "path": f"{URI}in/*.csv", "mode": "download"},
        "space": file_input(f"{URI}in/b c.csv"),
        "direct": file_input(f"{URI}in/a.csv", mode="direct"),
    }
    command = (
        "cd ${{inputs.folder}} && find . -type f | sort; cd ${{inputs.some}} && ls; cat ${{inputs.space}}; "
        "echo ${{inputs.direct}}; stat -c %A ${{inputs.folder}}/a.csv ${{inputs.some}}/a.csv"
    )
    add_job(applied, "modes", command, inputs)
    plan = mlgit("plan", cwd=applied)
    assert f"{URI}in is brought into the object store once; the run gets a read-only copy, not a mount" in plan.out
    assert mlgit(*APPLY, cwd=applied).code == 0
    lines = mlgit("job", "logs", "jobs/modes", cwd=applied).out.splitlines()
    assert lines[:4] == ["./a.csv", "./b c.csv", "./n.txt", "./sub/d.csv"]
    assert lines[4:] == ["a.csv", "b c.csv", "x", f"{URI}in/a.csv", "-r--------", "-rw-------"]


def test_all_pinned_inputs_that_have_changed_are_named_at_once_and_what_the_job_has_to_write(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/a.csv")
    add_data(applied, "also", f"{URI}in/n.txt")
    add_data(applied, "same", f"{URI}in/sub/d.csv")
    assert mlgit(*APPLY, cwd=applied).code == 0
    put(lake, {"in/a.csv": "a,b\n9,9,9\n", "in/n.txt": "other"})
    names = {"one": "far:1", "two": "same:1", "three": "also@latest"}
    inputs = {name: file_input(f"azureml:{version}") for name, version in names.items()}
    add_job(applied, "one", "cat ${{inputs.one}} ${{inputs.two}} ${{inputs.three}}", inputs)
    ended = mlgit(*APPLY, cwd=applied)
    changed = [line.strip() for line in ended.out.splitlines() if "[input-changed]" in line]
    assert [line.partition(": ")[2].partition(" ")[0] for line in changed] == ["data/far@1", "data/also@1"]
    new = "registers what is there now as a new version"
    assert f"data/far` {new}, which the job then has to name in the place of azureml:far:1; or put" in ended.out
    assert f"data/also` {new}; or put it back" in ended.out


def test_many_paths_that_are_pinned_alike_are_one_note_and_a_model_is_read(applied, lake, mlgit):
    model = "name: far\ntype: custom_model\npath: " + f"{URI}in/a.csv\n"
    schema = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\n"
    commit(applied, "model", {"models/far.yml": schema + model})
    for name in ("a", "b", "c", "d"):
        add_data(applied, name, f"{URI}in/a.csv")
    plan = mlgit("plan", cwd=applied).out
    assert (
        "  4 paths are pinned by their ETags, or their sizes and dates, when they are registered: "
        "data/a, data/b, data/c and 1 more"
    ) in plan
    assert f"model/far: path (models/far.yml:4:7): {URI}in/a.csv is downloaded and pinned by its bytes when" in plan


def test_a_job_whose_pinned_input_has_changed_fails_before_it_starts_and_names_both_identities(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/a.csv")
    assert mlgit(*APPLY, cwd=applied).code == 0
    before = location_of(mlgit, applied, "far")["modified"]
    put(lake, {"in/a.csv": "a,b\n9,9,9\n"})
    add_job(applied, "one", "cat ${{inputs.data}}", {"data": file_input("azureml:far:1")})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 1
    (line,) = [line.strip() for line in ended.out.splitlines() if "[input-changed]" in line]
    place, _, message = line.partition(": ")
    assert place.startswith("jobs/one.yml:4:")
    assert message.startswith(f"data/far@1 ({URI}in/a.csv) has changed since it was registered: ")
    assert f"it was modified {before}, 8 bytes, and is now modified " in line
    assert line.endswith(", 10 bytes [input-changed]")
    assert "`mlgit apply --replace data/far`" in ended.out
    assert "jobs/one" not in mlgit("job", "list", cwd=applied).out

    assert (
        mlgit("apply", "--auto-approve", "--replace", "data/far", cwd=applied).code == 1
    )  # the job asks for version 1
    add_job(applied, "one", "cat ${{inputs.data}}", {"data": file_input("azureml:far:2")})
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/one", cwd=applied).out == "a,b\n9,9,9\n"


def test_a_path_that_no_version_pins_is_what_is_there_when_the_run_starts(applied, lake, mlgit):
    inputs = {"data": file_input(f"{URI}in/a.csv")}
    add_job(applied, "now", "cat ${{inputs.data}}", inputs)
    assert mlgit(*APPLY, cwd=applied).code == 0
    put(lake, {"in/a.csv": "new\n"})
    assert mlgit("plan", cwd=applied).out.startswith("No changes.")
    assert mlgit("job", "rerun", "jobs/now", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/now", cwd=applied).out == "new\n"
    shown = json.loads(mlgit("job", "show", "jobs/now", "--format", "json", cwd=applied).out)
    assert shown["downloads"]["data"]["size"] == 4
    (lake / "in/a.csv").unlink()
    ended = mlgit("job", "rerun", "jobs/now", "--auto-approve", "--wait", cwd=applied)
    assert ended.code == 1
    assert re.search(r"jobs/now.yml:4:\d+: ", ended.out)
    assert "[datastore-path-missing]" in ended.out


def test_drift_is_found_without_a_download(applied, lake, mlgit):
    for name, path, type_ in (("far", "in/a.csv", "uri_file"), ("folder", "in/sub", "uri_folder")):
        add_data(applied, name, URI + path, type_)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("drift", cwd=applied).out.startswith("No drift.")
    put(lake, {"in/a.csv": "changed\n\n"})
    (lake / "in/sub/d.csv").unlink()
    found = json.loads(mlgit("drift", "--format", "json", cwd=applied).out)["drift"]
    assert {item["subject"]: item["sort"] for item in found} == {
        "data/far@1": "data-changed",
        "data/folder@1": "data-gone",
    }
    assert "it was modified " in found[0]["message"]
    assert "and is now modified " in found[0]["message"]
    assert not list((applied / ".mlgit/store").rglob("fetched/*"))
    refreshed = mlgit("plan", "--refresh", cwd=applied)
    assert f"data/far@1: {URI}in/a.csv has changed: " in refreshed.out
    lake.rename(lake.with_name("away"))
    unknown = mlgit("drift", cwd=applied)
    assert "the data of 2 assets in it was not checked: data/far, data/folder" in unknown.out
    assert "is gone" not in unknown.out
    config = (applied / "mlgit.yml").read_text("utf-8")
    commit(applied, "ignore", {"mlgit.yml": f'{config}drift: {{"data/*": ignore, datastore: ignore}}\n'})
    lake.with_name("away").rename(lake)
    assert "data/far" not in mlgit("drift", cwd=applied).out


def test_full_verification_pins_the_bytes_so_an_upload_of_the_same_bytes_is_no_change(applied, lake, mlgit):
    config = (applied / "mlgit.yml").read_text("utf-8")
    commit(applied, "verify", {"mlgit.yml": f"{config}verify: {{data/far: full}}\n"})
    add_data(applied, "far", f"{URI}in/a.csv")
    plan = mlgit("plan", cwd=applied)
    assert f"{URI}in/a.csv is downloaded and pinned by its bytes when it is registered" in plan.out
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert realised_of(mlgit, applied, "far")["contents"]["/path"]["size"] == 8
    os.utime(lake / "in/a.csv", (1, 1))
    assert f"{URI}in/a.csv was written again, its bytes may be the same: it was " in mlgit("drift", cwd=applied).out
    add_job(applied, "one", "cat ${{inputs.data}}", {"data": file_input("azureml:far:1")})
    assert mlgit(*APPLY, cwd=applied).code == 0
    put(lake, {"in/a.csv": "a,b\n3,4,5\n"})
    assert f"{URI}in/a.csv has changed: it was " in mlgit("drift", cwd=applied).out
    put(lake, {"in/a.csv": "a,b\n3,4\n"})
    add_job(applied, "two", "cat ${{inputs.data}}", {"data": file_input("azureml:far:1")})
    assert "[input-changed]" in mlgit(*APPLY, cwd=applied).out


def test_what_cannot_be_registered_is_one_line_at_its_path(applied, lake, mlgit):
    add_data(applied, "none", f"{URI}in/no.csv")
    add_data(applied, "folder", f"{URI}in")
    add_data(applied, "nothing", f"{URI}in/*.parquet", "uri_folder")
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 1
    (missing,) = [line.strip() for line in ended.out.splitlines() if "in/no.csv" in line and "[datastore-" in line]
    assert missing.startswith("data/none.yml:4:7: ")
    assert missing.endswith("[datastore-path-missing]")
    assert f"data/folder.yml:4:7: {URI}in is a folder, and it is declared as one file [input-not-a-file]" in ended.out
    assert "in/*.parquet matches no file [datastore-path-missing]" in ended.out


def test_an_output_is_written_to_its_datastore_and_read_back_without_a_transfer(applied, lake, mlgit):
    outputs = {
        "files": {"type": "uri_folder", "path": f"{URI}out/${{{{name}}}}", "mode": "upload"},
        "file": {"type": "uri_file", "path": f"{WASBS}out/result.csv"},
    }
    command = "mkdir ${{outputs.files}}/x; echo 1 > ${{outputs.files}}/x/y.txt; echo 2 > ${{outputs.file}}"
    add_job(applied, "writer", command, {"data": file_input(f"{URI}in/a.csv")}, outputs)
    plan = mlgit("plan", cwd=applied)
    assert f"kept in the object store, and written to {WASBS}out/result.csv when the run has completed" in plan.out
    assert mlgit(*APPLY, cwd=applied).code == 0
    shown = json.loads(mlgit("job", "show", "jobs/writer", "--format", "json", cwd=applied).out)
    run = shown["run"]
    assert (lake / f"out/{run}/x/y.txt").read_text() == "1\n"
    assert (lake / "out/result.csv").read_text() == "2\n"
    assert shown["outputs"]["files"]["path"] == f"{URI}out/{run}"

    add_job(applied, "reader", "cat ${{inputs.data}}", {"data": file_input(f"{URI}out/result.csv")})
    before = set((applied / ".mlgit/store/files").rglob("*"))
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/reader", cwd=applied).out == "2\n"
    assert set((applied / ".mlgit/store/files").rglob("*")) == before


def test_an_output_that_cannot_be_written_is_said_and_stays_in_the_object_store(applied, lake, mlgit):
    put(lake, {"out": "a file where the folder would be\n"})
    outputs = {"total": {"type": "uri_file", "path": f"{URI}out/result.csv"}}
    add_job(applied, "writer", "echo 2 > ${{outputs.total}}", {"data": file_input(f"{URI}in/a.csv")}, outputs)
    ended = mlgit(*APPLY, cwd=applied)
    assert f"was not written to {URI}out/result.csv, and is in the object store: " in ended.out
    assert "not written there: " in mlgit("job", "show", "jobs/writer", cwd=applied).out
    assert mlgit("job", "download", "jobs/writer", "got", cwd=applied).code == 0
    assert [path.read_text() for path in (applied / "got").rglob("total*") if path.is_file()] == ["2\n"]


def test_an_output_that_could_not_be_written_is_written_by_the_next_apply_without_another_run(applied, lake, mlgit):
    put(lake, {"out": "a file where the folder would be\n"})
    outputs = {
        "total": {"type": "uri_file", "path": f"{URI}out/result.csv"},
        "fine": {"type": "uri_file", "path": f"{URI}fine/result.csv"},
    }
    command = "echo 2 > ${{outputs.total}}; echo 3 > ${{outputs.fine}}"
    add_job(applied, "writer", command, {"data": file_input(f"{URI}in/a.csv")}, outputs)
    ended = mlgit(*APPLY, cwd=applied)
    assert "; the next `mlgit apply` writes it again" in ended.out
    run = json.loads(mlgit("job", "show", "jobs/writer", "--format", "json", cwd=applied).out)["run"]
    put(lake, {"fine/result.csv": "replaced since by someone\n"})
    sentence = f"job/jobs/writer: write outputs of run {run} again, from the object store to their paths"
    assert sentence in mlgit("plan", cwd=applied).out
    still = mlgit(*APPLY, cwd=applied)
    assert still.out.count("was not written to") == 1
    assert sentence in mlgit("plan", cwd=applied).out

    (lake / "out").unlink()
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert (lake / "out/result.csv").read_text() == "2\n"
    assert (lake / "fine/result.csv").read_text() == "replaced since by someone\n"
    shown = json.loads(mlgit("job", "show", "jobs/writer", "--format", "json", cwd=applied).out)
    assert (shown["run"], "unwritten" in shown["outputs"]["total"]) == (run, False)
    assert "No changes" in mlgit("plan", cwd=applied).out


def test_steps_of_a_pipeline_read_and_write_datastores(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/a.csv")
    pipeline = f"""\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
settings: {{default_compute: azureml:local}}
inputs:
  data: {{type: uri_file, path: azureml:far@latest}}
outputs:
  copied: {{type: uri_file, path: "{URI}out/copied.csv"}}
jobs:
  copy:
    type: command
    command: cp ${{{{inputs.data}}}} ${{{{outputs.copied}}}}
    environment: azureml:plain@latest
    inputs: {{data: "${{{{parent.inputs.data}}}}"}}
    outputs: {{copied: "${{{{parent.outputs.copied}}}}"}}
"""
    commit(applied, "pipeline", {"jobs/pipe.yml": pipeline})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out
    assert (lake / "out/copied.csv").read_text() == (lake / "in/a.csv").read_text()


def test_an_output_in_direct_mode_is_a_uri_that_the_command_writes_to_by_itself(applied, lake, mlgit):
    outputs = {
        "mine": {"type": "uri_folder", "path": f"{URI}out/${{{{name}}}}", "mode": "direct"},
        "kept": {"type": "uri_file"},
    }
    command = "echo ${{outputs.mine}}; echo $AZURE_ML_OUTPUT_mine; echo 1 > ${{outputs.kept}}"
    add_job(applied, "writer", command, {"data": file_input(f"{URI}in/a.csv")}, outputs)
    plan = mlgit("plan", cwd=applied).out
    assert "outputs.mine" not in plan
    assert mlgit(*APPLY, cwd=applied).code == 0
    shown = json.loads(mlgit("job", "show", "jobs/writer", "--format", "json", cwd=applied).out)
    uri = f"{URI}out/{shown['run']}"
    assert mlgit("job", "logs", "jobs/writer", cwd=applied).out == f"{uri}\n{uri}\n"
    assert "kept" in shown["outputs"]
    assert "mine" not in shown["outputs"]
    assert not (lake / "out").exists()
    assert "No changes" in mlgit("plan", cwd=applied).out


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "mode direct needs a path, which the command gets as a URI"),
        (
            {"path": "azureml://datastores/workspaceblobstore/paths/x"},
            "workspaceblobstore is in the object store, where no command writes by itself",
        ),
    ],
)
def test_an_output_in_direct_mode_that_no_command_can_write_to_is_an_error_at_its_mode(
    applied, lake, mlgit, fields, message
):
    output = {"type": "uri_folder", "mode": "direct", **fields}
    add_job(applied, "writer", "true", {"data": file_input(f"{URI}in/a.csv")}, {"x": output})
    refused = mlgit("plan", cwd=applied)
    assert refused.code == 1
    (line,) = [line for line in refused.err.splitlines() if message in line]
    assert line.startswith("jobs/writer.yml:5:")
    assert "[output-unreachable]" in line


def test_an_input_in_direct_mode_is_the_uri_whatever_its_type_and_wherever_it_is_named(applied, lake, mlgit):
    add_data(applied, "far", f"{URI}in/", "uri_folder")
    add_data(applied, "table", f"{URI}in/", "mltable")
    inputs = {
        "file": file_input(f"{URI}in/a.csv", mode="direct"),
        "folder": {"type": "uri_folder", "path": "azureml:far@latest", "mode": "direct"},
        "table": {"type": "mltable", "path": "azureml:table:1", "mode": "direct"},
        "model": {"type": "custom_model", "path": f"{WASBS}in/n.txt", "mode": "direct"},
    }
    add_job(applied, "reader", " ".join(["echo", *(f"${{{{inputs.{name}}}}}" for name in inputs)]), inputs)
    assert mlgit(*APPLY, cwd=applied).code == 0
    printed = mlgit("job", "logs", "jobs/reader", cwd=applied).out.split()
    assert printed == [f"{URI}in/a.csv", f"{URI}in/", f"{URI}in/", f"{WASBS}in/n.txt"]
