"""Datastores: what apply does of them, and what drift says."""

from __future__ import annotations

import json

import pytest
from services.azurite import make_key
from workspaces import APPLY, SMALL, commit, git, write

pytestmark = pytest.mark.slow

DATASTORE = """
    $schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json
    name: share
    type: azure_blob
    account_name: acc
    container_name: box
    """
DATA = """
    $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
    name: raw
    type: uri_folder
    path: azureml://datastores/share/paths/raw/
    """
BOUND = "datastores: {share: {type: local, path: ../share}}\n"


@pytest.fixture
def folder(tmp_path):
    """Make a workspace with a datastore in a folder, and data in it."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    git(folder, "init", "--quiet")
    write(tmp_path, {"share/raw/a.csv": "1\n"})
    config = "state: {name: small, lineage: '11111111111111111111111111111111'}\n" + BOUND
    files = {"mlgit.yml": config, ".gitignore": "/.mlgit/\n", "datastores/share.yml": DATASTORE, "data/raw.yml": DATA}
    commit(folder, "start", files)
    return folder


@pytest.fixture
def run(mlgit, folder):
    """Run mlgit in the workspace; returns the exit code and all that is printed."""

    def run(*arguments):
        ended = mlgit(*arguments, cwd=folder)
        return ended.code, ended.out + ended.err

    return run


def show(run, address):
    return json.loads(run("show", address, "--format", "json")[1])


def test_a_datastore_is_reached_once_and_recorded_with_what_it_is_bound_to(run, golden):
    golden("cli/datastores/plan.txt", run("plan")[1])
    assert run(*APPLY)[0] == 0
    shown = show(run, "datastore/share")
    assert shown["realised"] == {"datastore": {"type": "local", "path": "../share"}}
    assert (shown["handle"]["provider"], shown["condition"]) == ("datastores", {"phase": "ready"})
    assert run("plan", "--detailed-exitcode")[0] == 0
    assert run("drift")[1].startswith("No drift.")


def test_one_that_cannot_be_reached_stops_itself_and_what_is_in_it(run, folder, golden):
    (folder.parent / "share").rename(folder.parent / "away")
    commit(
        folder,
        "other",
        {"data/n.yml": DATA.replace("raw", "n").replace("azureml://datastores/share/paths/n/", "x"), "data/x/y": ""},
    )
    code, printed = run(*APPLY)
    golden("cli/datastores/unreachable.txt", printed)
    assert code == 1
    assert "data/n" in run("list")[1]
    (folder.parent / "away").rename(folder.parent / "share")
    assert run(*APPLY)[0] == 0
    assert "data/raw" in run("list")[1]


def test_drift_is_what_a_service_refuses(run, folder, golden):
    assert run(*APPLY)[0] == 0
    (folder.parent / "share").rename(folder.parent / "away")
    printed = run("drift")[1]
    golden("cli/datastores/drift.txt", printed)
    (folder.parent / "away").rename(folder.parent / "share")
    assert run("drift")[1].startswith("No drift.")


def test_one_dead_datastore_is_said_once_with_the_assets_that_were_not_checked(run, folder, golden):
    both = BOUND.replace("}}", "}, disk: {type: local, path: ../disk}}")
    config = (folder / "mlgit.yml").read_text("utf-8").replace(BOUND, both)
    (folder.parent / "disk/raw").mkdir(parents=True)
    (folder.parent / "disk/raw/a.csv").write_text("1\n", "utf-8")
    in_disk = DATA.replace("share/paths/", "disk/paths/")
    files = {f"data/more{number}.yml": DATA.replace("name: raw", f"name: more{number}") for number in range(4)}
    files |= {f"data/disk{number}.yml": in_disk.replace("name: raw", f"name: disk{number}") for number in range(2)}
    commit(folder, "more", {"mlgit.yml": config, **files})
    assert run(*APPLY)[0] == 0
    for name in ("share", "disk"):
        (folder.parent / name).rename(folder.parent / f"{name}-away")
    printed = run("drift")[1]
    golden("cli/datastores/drift_many.txt", printed)
    assert printed.count("has no such container") == 2
    (folder.parent / "share-away").rename(folder.parent / "share")
    (folder.parent / "share/raw/a.csv").unlink()
    (folder.parent / "share/raw/b.csv").write_text("1\n", "utf-8")
    found = json.loads(run("drift", "--format", "json")[1])
    changed = {item["subject"] for item in found["drift"] if item["sort"] == "data-changed"}
    assert changed == {"data/raw@1", *(f"data/more{number}@1" for number in range(4))}
    assert [note.partition(":")[0] for note in found["notes"]] == ["datastore/disk"]


def test_its_data_stays_when_its_file_goes(run, folder):
    assert run(*APPLY)[0] == 0
    for path in ("datastores/share.yml", "data/raw.yml"):
        (folder / path).unlink()
    commit(folder, "gone")
    assert run(*APPLY)[0] == 0
    assert "datastore/share" not in run("list")[1]
    assert (folder.parent / "share/raw/a.csv").read_text() == "1\n"


def test_what_is_wrong_in_mlgit_yml_is_at_its_line(run, folder, golden):
    commit(
        folder,
        "wrong",
        {
            "mlgit.yml": """
                state: {name: small, lineage: "11111111111111111111111111111111"}
                datastores:
                  one: {type: locl, path: ../share}
                  two: {type: local, path: ../share, endpoint: "https://user:Gr3atS3cret@host"}
                """
        },
    )
    texts = [run("validate")[1]]
    commit(
        folder,
        "wrong secrets",
        {
            "mlgit.yml": """
                state: {name: small, lineage: "11111111111111111111111111111111"}
                secrets:
                  key: {from: "vault:key", for: [datastore/share], fields: [account_key]}
                """
        },
    )
    texts.append(run("validate")[1])
    commit(
        folder,
        "less wrong",
        {
            "mlgit.yml": """
                state: {name: small, lineage: "11111111111111111111111111111111"}
                datastores:
                  shore: {endpoint: "http://127.0.0.1:1"}
                  share: {type: local, path: ../share}
                secrets:
                  key: {from: "env:KEY", for: [datastore/shar, "data/*"], fields: [/credentials/acount_key]}
                targets:
                  other: {datastores: {share: {path: 3}}, secrets: {key: {from: "vault:x"}}}
                """
        },
    )
    texts.append(run("validate")[1])
    golden("cli/datastores/wrong.txt", "\n".join(texts))


def test_a_missing_driver_of_a_datastore_that_only_mlgit_yml_has_is_named_at_its_type(run, folder, monkeypatch):
    monkeypatch.setattr("reconciler.project.datastore_support.find_spec", lambda _name: None)
    config = (folder / "mlgit.yml").read_text("utf-8").replace("{share:", "{far: {type: s3, bucket: b}, share:")
    commit(folder, "far", {"mlgit.yml": config})
    code, text = run("plan")
    assert code == 0
    what = "datastore/far: a datastore of the type s3 needs s3fs, which is not installed here [extra-missing]"
    assert f"mlgit.yml:2:26: warning: {what}" in text
    assert "run `pip install 'mlgit[s3]'` where it is applied and used" in text


def test_a_job_reads_what_was_put_into_the_datastore_of_every_workspace(applied, mlgit, tmp_path):
    write(tmp_path, {"numbers.csv": "n\n4\n5\n"})
    assert mlgit("data", "put", str(tmp_path / "numbers.csv"), "workspaceblobstore/in/", cwd=applied).code == 0
    job = SMALL["jobs/sum.yml"].replace(
        "azureml:numbers@latest", "azureml://datastores/workspaceblobstore/paths/in/numbers.csv"
    )
    output = "total: {type: uri_folder, path: 'azureml://datastores/workspaceblobstore/paths/out/'}"
    commit(applied, "read", {"jobs/sum.yml": job.replace("total: {type: uri_folder}", output)})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("data", "get", "workspaceblobstore/out", str(tmp_path / "out"), cwd=applied).code == 0
    assert (tmp_path / "out/total.txt").read_text() == "18.0"


AZURE = """
    state: {{name: small, lineage: "11111111111111111111111111111111"}}
    datastores: {{share: {{endpoint: "{url}"}}}}
    secrets:
      share-key: {{from: "env:SHARE_KEY", for: [datastore/share], fields: [/credentials/account_key]}}
    """


NOBODY = "http://127.0.0.1:9/mlgittests"


@pytest.mark.services
def test_a_service_that_refuses_is_drift_and_one_that_is_silent_is_not(run, folder, azurite, golden, monkeypatch):
    container = azurite.make_container()
    file = DATASTORE.replace("acc\n", "mlgittests\n").replace("box", container)
    data = {"data/raw.yml": DATA.replace("azureml://datastores/share/paths/raw/", "raw"), "data/raw/a.csv": "1"}
    commit(folder, "azurite", {"mlgit.yml": AZURE.format(url=azurite.url()), "datastores/share.yml": file, **data})
    monkeypatch.delenv("SHARE_KEY", raising=False)
    monkeypatch.setattr("reconciler.secret_values._taken", {})
    texts = []

    def add(*arguments):
        text = run(*arguments)[1].replace(container, "<container>").replace(azurite.url(), "<url>")
        texts.append(f"$ mlgit {' '.join(arguments)}\n{text}")

    add("plan")
    add(*APPLY)
    monkeypatch.setenv("SHARE_KEY", make_key())
    add(*APPLY)
    monkeypatch.setenv("SHARE_KEY", azurite.key)
    add(*APPLY)
    assert run("data", "put", str(folder / "data/raw"), "share/raw")[0] == 0
    add("drift")
    monkeypatch.setenv("SHARE_KEY", make_key())
    add("drift")
    monkeypatch.setenv("SHARE_KEY", azurite.key)
    commit(folder, "no service", {"mlgit.yml": AZURE.format(url=NOBODY)})
    add("drift")
    golden("cli/datastores/azurite.txt", "\n".join(texts))
