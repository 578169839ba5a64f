"""Data on real storage services: pinned by their ETag, refused when it has changed, and written back."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from storage.datastore_benches import BENCHES, Bench
from workspaces import APPLY, commit

pytestmark = [pytest.mark.services, pytest.mark.slow]

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: {}\npath: {}\n"
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: cat ${{{{inputs.data}}}}; ls ${{{{inputs.folder}}}}; cp ${{{{inputs.data}}}} ${{{{outputs.copied}}}}
environment: azureml:plain@latest
inputs:
  data: {{type: uri_file, path: "{data}"}}
  folder: {{type: uri_folder, path: "azureml://datastores/lake/paths/in/*.csv"}}
outputs:
  copied: {{type: uri_file, path: "azureml://datastores/lake/paths/out/{name}.csv"}}
"""
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_SCHEMAS = {
    "azure_blob": "azureBlob",
    "azure_data_lake_gen2": "azureDataLakeGen2",
    "azure_file": "azureFile",
}
# What a service says of a file by which a change is seen.
_WITH_ETAG = frozenset({"azure_blob", "azure_data_lake_gen2", "s3"})


def bind(folder: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a workspace the datastore of a bench, with the values of its secrets in the environment."""
    secrets = {}
    for index, (pointer, value) in enumerate(bench.secrets.items()):
        monkeypatch.setenv(f"LAKE_SECRET_{index}", value)
        secrets[f"lake-{index}"] = {"from": f"env:LAKE_SECRET_{index}", "for": ["datastore/lake"], "fields": [pointer]}
    files = {}
    settings = dict(bench.settings)
    if schema := _SCHEMAS.get(bench.type):
        spec = {"$schema": _SCHEMA.format(schema), "name": "lake", "type": bench.type, **bench.spec}
        files["datastores/lake.yml"] = json.dumps(spec)
    else:
        settings["type"] = bench.type
    config = (folder / "mlgit.yml").read_text("utf-8")
    own = f"datastores: {json.dumps({'lake': settings})}\nsecrets: {json.dumps(secrets)}\n"
    commit(folder, "datastore", {**files, "mlgit.yml": config + own})


@pytest.mark.parametrize("type_", sorted(BENCHES.keys() - {"local", "one_lake"}))  # OneLake takes no key in a file
def test_data_is_pinned_brought_refused_when_it_has_changed_and_written(
    applied: Path,
    mlgit: Callable[..., Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    type_: str,
) -> None:
    bench = BENCHES[type_](request)
    bind(applied, bench, monkeypatch)
    datastore = bench.open()
    datastore.write("in/a.csv", io.BytesIO(b"a,b\n1,2\n"))
    datastore.write("in/b c.csv", io.BytesIO(b"x\n"))
    datastore.write("in/n.txt", io.BytesIO(b"text\n"))
    commit(
        applied, "data", {"data/far.yml": DATA.format("far", "uri_file", "azureml://datastores/lake/paths/in/a.csv")}
    )
    commit(applied, "job", {"jobs/one.yml": JOB.format(data="azureml:far:1", name="one")})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "jobs/one", cwd=applied).out == "a,b\n1,2\na.csv\nb c.csv\n"
    assert datastore.open("out/one.csv").read() == b"a,b\n1,2\n"
    shown = json.loads(mlgit("show", "data/far", "--format", "json", cwd=applied).out)
    location = shown["realised"]["locations"]["/path"]
    assert (location["size"], bool(location.get("etag"))) == (8, type_ in _WITH_ETAG)
    assert mlgit("drift", cwd=applied).out.startswith("No drift.")

    datastore.write("in/a.csv", io.BytesIO(b"a,b\n3,4,5\n"))
    assert "data/far@1: azureml://datastores/lake/paths/in/a.csv has changed: " in mlgit("drift", cwd=applied).out
    commit(applied, "job", {"jobs/two.yml": JOB.format(data="azureml:far:1", name="two")})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if "[input-changed]" in line]
    assert "jobs/two.yml:5:" in line
    kind = "ETag" if type_ in _WITH_ETAG else "modified"
    assert re.search(rf"it was {kind} \S+, 8 bytes, and is now {kind} \S+, 10 bytes", line)
    assert (type_ not in _WITH_ETAG) or location["etag"] in line
    assert [entry.path for entry in datastore.list("out")] == ["out/one.csv"]
