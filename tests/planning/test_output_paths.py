"""Paths of outputs: those of datastores are written there, others are refused at the line of the path."""

from __future__ import annotations

import pytest
from planning.project import InMemoryProject, edited, small

from reconciler.planning.output_paths import output_paths

pytestmark = pytest.mark.fast

DATASTORE = (
    "$schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json\n"
    "name: archive\ntype: azure_blob\naccount_name: account\ncontainer_name: container\n"
)


def with_path(path: str) -> dict[str, str]:
    files = {**small(), "datastores/archive.yml": DATASTORE}
    files["mlgit.yml"] = files["mlgit.yml"].rstrip() + "\ndatastores: {archive: {type: local, path: ./files}}\n"
    return edited("jobs/sum.yml", "total: {type: uri_folder}", f"total:\n    type: uri_folder\n    path: {path}", files)


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        (
            "azureml://datastores/workspaceblobstore/paths/${{name}}/",
            "azureml://datastores/workspaceblobstore/paths/sum-1/",
        ),
        (
            "azureml://datastores/${{default_datastore}}/paths/${{ name }}/${{output_name}}/x.csv",
            "azureml://datastores/workspaceblobstore/paths/sum-1/total/x.csv",
        ),
        ("azureml://datastores/workspaceartifactstore/paths/x", "azureml://datastores/workspaceartifactstore/paths/x"),
        ("azureml://datastores/WorkspaceFileStore", "azureml://datastores/WorkspaceFileStore"),
        (
            "azureml://subscriptions/s/resourceGroups/g/workspaces/w/datastores/workspaceblobstore/paths/x",
            "azureml://subscriptions/s/resourceGroups/g/workspaces/w/datastores/workspaceblobstore/paths/x",
        ),
    ],
)
def test_a_path_in_a_datastore_that_every_workspace_has_is_recorded_and_the_output_kept_in_the_store(path, expanded):
    plan = InMemoryProject().plan(with_path(path))
    (submit,) = plan.submissions
    assert (
        f"job/sum: outputs.total (jobs/sum.yml:13:11): kept in the object store, and recorded as {path}" in plan.notes
    )
    assert submit.run
    assert output_paths(submit.run.spec, "sum-1") == {"total": expanded}


@pytest.mark.parametrize(
    "path",
    [
        "azureml://datastores/archive/paths/${{name}}",
        "wasbs://container@account.blob.core.windows.net/${{name}}",
    ],
)
def test_a_path_in_a_datastore_of_the_workspace_is_written_when_the_run_has_completed(path):
    plan = InMemoryProject().plan(with_path(path))
    assert plan.submissions
    assert (
        f"job/sum: outputs.total (jobs/sum.yml:13:11): kept in the object store, and written to {path} when the run "
        "has completed"
    ) in plan.notes


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("wasbs://data@example.org/x", "no datastore of this workspace has the container data of the account example"),
        ("azureml://datastores/archive/paths/../x", "has no .. and no wildcards"),
        ("azureml://datastores/archive/paths/x/*.csv", "has no .. and no wildcards"),
        ("https://example.org/x", "mlgit cannot write to https://example.org/x: "),
        ("./out", "mlgit cannot write to ./out: "),
        ("azureml:numbers:1", "mlgit cannot write to azureml:numbers:1: "),
        ("azureml://datastores/${{default_store}}/paths/x", "${{default_store}} is not known in azureml://"),
        (
            "azureml://datastores/workspaceblobstore/paths/${{inputs.factor}}",
            "${{inputs.factor}} is not known in azureml://",
        ),
    ],
)
def test_a_path_elsewhere_is_refused_at_its_line(path, reason):
    (diagnostic,) = InMemoryProject().plan(with_path(path)).refusals
    assert diagnostic.span
    assert (diagnostic.code, str(diagnostic.span)) == ("output-unreachable", "jobs/sum.yml:13:11")
    assert diagnostic.message.startswith("job/sum: output total: ")
    assert reason in diagnostic.message
    assert diagnostic.hint
