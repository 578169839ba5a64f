"""Datastores in plans: who refers to them, what they are bound to, and what their types need."""

from __future__ import annotations

import pytest
from planning.project import (
    SCHEMA,
    InMemoryProject,
    action_keys,
    action_on,
    declared_by,
    edited,
    plan_options_of,
    small,
)

from reconciler.diagnostics import Severity
from reconciler.model import Address, Op
from reconciler.planning.diff import field_changes
from reconciler.planning.file_checks import LiveAssets, check_files_together
from reconciler.render.impact import compute_impact

pytestmark = pytest.mark.fast

BLOB = Address("datastore", "blob")
RAW = Address("data", "raw")
DATASTORE = SCHEMA.format("azureBlob") + "name: blob\ntype: azure_blob\naccount_name: acc\ncontainer_name: box\n"
DATA = SCHEMA.format("data") + "name: raw\ntype: uri_folder\npath: {}\n"
LOCAL = "datastores: {blob: {type: local, path: ./files}}\n"
URI = "azureml://datastores/blob/paths/raw/"


def files_with(path=URI, config=LOCAL, **more):
    files = {**small(), "datastores/blob.yml": DATASTORE, "data/raw.yml": DATA.format(path), **more}
    return {**files, "mlgit.yml": files["mlgit.yml"].rstrip() + "\n" + config}


@pytest.mark.parametrize(
    "path",
    [
        URI,
        "wasbs://box@acc.blob.core.windows.net/raw",
        "wasbs://acc.blob.core.windows.net/box/raw",
        "https://acc.blob.core.windows.net/box/raw/",
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/blob/paths/raw",
    ],
)
def test_data_comes_after_the_datastore_that_it_is_in(path):
    plan = InMemoryProject().plan(files_with(path))
    addresses = [action.address for action in plan.actions]
    assert addresses.index(BLOB) < addresses.index(RAW)
    assert action_on(plan, BLOB).key in action_on(plan, RAW).needs
    assert (RAW, True) in list(compute_impact(plan.actions).impacted_addresses(action_on(plan, BLOB)))


def test_a_url_of_another_container_refers_to_no_datastore():
    declared = declared_by(files_with("wasbs://other@acc.blob.core.windows.net/raw"))
    assert declared.assets[RAW].references == ()


def test_a_change_of_a_datastore_makes_no_version_of_its_data():
    project, files = InMemoryProject(), files_with()
    project.converge(files)
    plan = project.plan({**files, "datastores/blob.yml": DATASTORE.replace("box", "other")})
    assert action_keys(plan) == ["update datastore/blob"]


def test_a_datastore_that_nothing_declares_refuses_its_data_alone_with_the_closest_name():
    files = files_with(URI.replace("blob", "bolb"))
    plan, _ = InMemoryProject().plan_with_diagnostics(files)
    assert "create datastore/blob" in action_keys(plan)
    (blocked,) = (item for item in plan.blocked if item.address == RAW)
    (refusal,) = blocked.refusals
    assert (refusal.code, refusal.severity) == ("reference-dangling", Severity.ERROR)
    assert refusal.message.endswith("bolb/paths/raw/ refers to datastore/bolb, which is not declared")
    assert refusal.hint == "did you mean blob?"
    assert (refusal.span.path, refusal.span.line) == ("data/raw.yml", 4)
    (warning,) = check_files_together(declared_by(files), plan_options_of(files).config, None)
    assert (warning.code, warning.severity, warning.span) == ("reference-dangling", Severity.WARNING, refusal.span)


def test_a_job_in_a_missing_datastore_is_refused_where_it_would_run():
    files = {**files_with(), **edited("jobs/sum.yml", "azureml:numbers@latest", "azureml://datastores/bolb/paths/x")}
    files["mlgit.yml"] = files_with()["mlgit.yml"]
    live = LiveAssets((), lambda _: False, {})
    assert check_files_together(declared_by(files), plan_options_of(files).config, None, live) == ()
    plan, _ = InMemoryProject().plan_with_diagnostics(files)
    (blocked,) = (item for item in plan.blocked if item.address == Address("job", "sum"))
    assert "there is no datastore bolb" in blocked.message


@pytest.mark.parametrize("name", ["workspaceblobstore", "only"])
def test_a_datastore_of_mlgit_yml_and_those_of_every_workspace_need_no_file(name):
    files = files_with(f"azureml://datastores/{name}/paths/raw/", "datastores: {only: {type: local, path: ./x}}\n")
    live = LiveAssets((), lambda _: False, {})
    assert check_files_together(declared_by(files), plan_options_of(files).config, None, live) == ()


def test_an_output_in_a_datastore_is_an_edge_too():
    files = files_with()
    kept = "  kept: {type: uri_folder, path: 'azureml://datastores/blob/paths/kept'}\n"
    files["jobs/sum.yml"] = files["jobs/sum.yml"].replace("outputs:\n", f"outputs:\n{kept}")
    declared = declared_by(files)
    assert BLOB in {reference.address for reference in declared.assets[Address("job", "sum")].references}


def test_another_binding_is_an_update_that_says_what_changed():
    project, files = InMemoryProject(), files_with()
    (first, *_) = project.converge(files)
    assert action_on(first, BLOB).reason == "bound to the type local"
    assert not project.plan(files).actions
    bound = "secrets: {key: {from: 'env:KEY', for: [datastore/blob], fields: [/credentials/account_key]}}\n"
    plan = project.plan(files_with(config=LOCAL.replace("./files", "./others") + bound))
    action = action_on(plan, BLOB)
    assert action.op is Op.UPDATE
    assert action.reason == "path ./files -> ./others; secret of credentials.account_key none -> key"


def test_the_value_of_a_secret_changes_no_plan(monkeypatch):
    bound = "secrets: {key: {from: 'env:KEY', for: [datastore/blob], fields: [/credentials/account_key]}}\n"
    project, files = InMemoryProject(), files_with(config=LOCAL + bound)
    monkeypatch.setenv("KEY", "one")
    project.converge(files)
    monkeypatch.delenv("KEY")
    assert not project.plan(files).actions


def test_data_waits_for_a_datastore_that_is_refused():
    files = files_with(config="datastores: {blob: {type: nothing}}\n")
    plan = InMemoryProject().plan_with_diagnostics(files)[0]
    blocked = {item.address: item for item in plan.blocked}
    assert "there is no type of datastore 'nothing'" in blocked[BLOB].message
    assert blocked[RAW].message == "held back: datastore/blob is refused"


def test_a_datastore_that_leaves_git_is_deleted():
    project, files = InMemoryProject(), files_with("./x", **{"data/x/x.csv": "1"})
    project.converge(files)
    without = {path: text for path, text in files.items() if path != "datastores/blob.yml"}
    assert action_on(project.plan(without), BLOB).op is Op.DELETE


KEY_FILE = DATASTORE + "credentials: {account_key: XXXXXXXX}\n"


def blob_files(config="", file=KEY_FILE):
    files = {path: text for path, text in files_with(config=config).items() if path != "data/raw.yml"}
    return {**files, "datastores/blob.yml": file}


def test_a_key_that_no_secret_is_bound_to_is_refused_with_the_line_to_write():
    plan = InMemoryProject().plan_with_diagnostics(blob_files())[0]
    (blocked,) = (item for item in plan.blocked if item.address == BLOB)
    (refusal,) = blocked.refusals
    assert (refusal.code, refusal.span.path, refusal.span.line) == ("secret-unbound", "datastores/blob.yml", 6)
    assert refusal.message == "datastore/blob: no secret is bound to credentials.account_key"
    line = "secrets: {NAME: {from: 'env:VARIABLE', for: [datastore/blob], fields: [/credentials/account_key]}}"
    assert refusal.hint == f"bind one in mlgit.yml: {line}"
    bound = line.replace("NAME", "key").replace("VARIABLE", "KEY") + "\n"
    assert "create datastore/blob" in action_keys(InMemoryProject().plan(blob_files(bound)))


LAKE = DATASTORE.replace("azure_blob", "azure_data_lake_gen2").replace("container_name", "filesystem")
PRINCIPAL = "credentials: {tenant_id: t, client_id: c, client_secret: XXXXXXXX, authority_url: %s}\n"
BOUND_PRINCIPAL = "secrets: {NAME: {from: 'env:KEY', for: [datastore/blob], fields: [/credentials/client_secret]}}\n"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("account_name: acc", "account_name: evil.example/x?", "account_name is no name"),
        ("account_name: acc", "account_name: acc@evil.example", "account_name is no name"),
        ("account_name: acc", "account_name: acc\nendpoint: evil.example", "endpoint leads to"),
        ("account_name: acc", "account_name: acc\nendpoint: core.windows.net.evil.example", "endpoint leads to"),
        ("account_name: acc", 'account_name: acc\nendpoint: "core.windows.net@evil.example"', "endpoint leads to"),
    ],
)
def test_a_file_that_sends_credentials_to_a_host_of_others_is_refused(old, new, field):
    assert old in DATASTORE
    plan = InMemoryProject().plan_with_diagnostics(blob_files(file=DATASTORE.replace(old, new)))[0]
    (refusal,) = next(item for item in plan.blocked if item.address == BLOB).refusals
    assert refusal.code == "datastore-settings"
    assert field in refusal.message
    trusted = "datastores: {blob: {endpoint: 'https://blob.evil.example'}}\n"
    files = blob_files(trusted, DATASTORE.replace(old, new))
    assert "create datastore/blob" in action_keys(InMemoryProject().plan(files))


@pytest.mark.parametrize(
    ("authority", "is_refused"),
    [
        ("https://login.microsoftonline.com", False),
        ("https://login.partner.microsoftonline.cn/common", False),
        ("https://login.microsoftonline.com.evil.example", True),
        ("https://login.microsoftonline.com@evil.example", True),
        ("http://login.microsoftonline.com", True),
    ],
)
def test_a_file_asks_only_azure_for_the_token_of_a_principal(authority, is_refused):
    plan = InMemoryProject().plan(blob_files(BOUND_PRINCIPAL, LAKE + PRINCIPAL % authority))
    assert (BLOB in {item.address for item in plan.blocked}) == is_refused


def test_a_plan_shows_which_principal_opens_a_datastore_and_records_who_it_is():
    project = InMemoryProject()
    files = blob_files(BOUND_PRINCIPAL, LAKE + PRINCIPAL % "https://login.microsoftonline.com")
    project.converge(files)
    other = {**files, "datastores/blob.yml": files["datastores/blob.yml"].replace("client_id: c", "client_id: other")}
    (change,) = field_changes(action_on(project.plan(other), BLOB))
    assert (change.field, change.before, change.after) == ("credentials.client_id", "c", "other")


def test_a_missing_driver_is_named_with_its_command_and_refuses_nothing(monkeypatch):
    monkeypatch.setattr("reconciler.project.datastore_support.find_spec", lambda _name: None)
    plan, (problem,) = InMemoryProject().plan_with_diagnostics(blob_files(file=DATASTORE))
    assert "create datastore/blob" in action_keys(plan)
    assert (problem.code, problem.severity, problem.span.line) == ("extra-missing", Severity.WARNING, 3)
    assert (
        problem.message == "datastore/blob: a datastore of the type azure_blob needs adlfs, which is not installed here"
    )
    assert "pip install 'mlgit[azure]'" in problem.hint


def test_a_field_that_a_type_does_not_support_is_refused():
    share = DATASTORE.replace("azureBlob", "azureFile").replace("azure_blob", "azure_file")
    share = share.replace("container_name", "file_share_name") + "protocol: wasbs\n"
    plan, _ = InMemoryProject().plan_with_diagnostics(blob_files(file=share))
    (blocked,) = (item for item in plan.blocked if item.address == BLOB)
    assert "the datastore type azure_file does not support protocol" in blocked.message
