"""The artifact with the report of a workflow run: which one, and its archive, checked by digest and size."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from github import GithubException
from github.Artifact import Artifact
from github.PullRequest import PullRequest
from github.WorkflowRun import WorkflowRun

from reconciler.diagnostics import UserError, user_error
from reconciler.github.archive import MAX_ARCHIVE_BYTES, read_member
from reconciler.github.client import Client, asking
from reconciler.github.pulls import is_run_of
from reconciler.storage.web_error import WebError
from reconciler.storage.web_file import open_web_file

PERMISSION = "actions: read"
ARTIFACT = "mlgit-report"
REPORT_FILE = "report.json"
_KNOWN_FILES = frozenset({REPORT_FILE, "plan.json", "comment.md", "summary.md", "results.sarif"})
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20
_FOUND, _GONE = 302, 410
_AGAIN = "run the check of the pull request again (`Re-run all jobs`), then this job"


class ReportArtifact(NamedTuple):
    """The report of a workflow run as it was uploaded, and the page of its artifact."""

    content: bytes
    url: str
    run_url: str


def find_run(client: Client, run_id: int) -> WorkflowRun:
    """Return a workflow run. Raise UserError ``github-not-found`` if there is none of that id."""
    with asking(f"workflow run {run_id}", PERMISSION):
        run = client.repository.get_workflow_run(run_id)
        run.complete()
        return run


def read_report_of_run(client: Client, run: WorkflowRun) -> ReportArtifact:
    """Return the report that a workflow run has uploaded. Raise UserError ``github-artifact`` if there is none."""
    artifact = _find_newest_artifact(client, [run])
    if artifact is None:
        message = f"workflow run {run.id} has no artifact {ARTIFACT}"
        raise user_error("github-artifact", message, f"see at {run.html_url} why its plan was not made")
    return _read_report(client, artifact, run)


def read_reviewed_report(client: Client, pull: PullRequest, workflow: str) -> ReportArtifact:
    """Return the newest report that a workflow has uploaded for the head commit of a pull request.

    ``workflow`` is the path of its file. Raise UserError ``github-artifact`` if there is none, or if it has expired.
    """
    head = pull.head.sha
    with asking(f"the workflow runs of pull request {pull.number}", PERMISSION):
        runs = [
            run
            for run in client.repository.get_workflow_runs(head_sha=head, event="pull_request")
            if is_run_of(run, pull) and run.path.partition("@")[0] == workflow
        ]
    artifact = _find_newest_artifact(client, runs)
    if artifact is None:
        message = (
            f"no run of {workflow} has uploaded {ARTIFACT} for the head of pull request {pull.number}, {head[:10]}"
        )
        raise user_error("github-artifact", message, _AGAIN)
    if artifact.expired:
        raise _expired_error(artifact)
    return _read_report(client, artifact, next(run for run in runs if run.id == artifact.workflow_run.id))


def _find_newest_artifact(client: Client, runs: Iterable[WorkflowRun]) -> Artifact | None:
    with asking(f"the artifacts of {client.access.repository}", PERMISSION):
        artifacts = [
            artifact
            for run in runs
            for artifact in run.get_artifacts()
            if artifact.name == ARTIFACT and artifact.workflow_run.id == run.id
        ]
    return max(artifacts, key=lambda artifact: (artifact.created_at, artifact.id), default=None)


def _read_report(client: Client, artifact: Artifact, run: WorkflowRun) -> ReportArtifact:
    archive = _download(client, artifact)
    return ReportArtifact(
        read_member(archive, REPORT_FILE, _KNOWN_FILES), f"{run.html_url}/artifacts/{artifact.id}", run.html_url
    )


def _download(client: Client, artifact: Artifact) -> bytes:
    """Return the archive of an artifact, whose digest is the one that GitHub says."""
    if artifact.size_in_bytes > MAX_ARCHIVE_BYTES:
        raise _size_error(artifact)
    address = _storage_address(client, artifact)
    try:
        with open_web_file(address, _TIMEOUT_SECONDS) as file:
            archive = _read_limited(file.stream)
    except WebError as error:
        cause = str(error).replace(address, "the storage of GitHub's artifacts")
        raise user_error("github-unreachable", f"artifact {artifact.id}: {cause}", "run the job again") from error
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise _size_error(artifact)
    digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    if (artifact.digest or digest) != digest:
        message = f"artifact {artifact.id} has not the digest that GitHub says"
        raise user_error("github-artifact", message, _AGAIN)
    return archive


def _read_limited(stream: io.RawIOBase) -> bytes:
    content = bytearray()
    while len(content) <= MAX_ARCHIVE_BYTES and (chunk := stream.read(_CHUNK_BYTES)):
        content += chunk
    return bytes(content)


def _storage_address(client: Client, artifact: Artifact) -> str:
    """Return where the archive of an artifact is. It is asked without the token, which is for the API alone."""
    with asking(f"artifact {artifact.id}", PERMISSION):
        status, headers, output = client.github.requester.requestJson("GET", artifact.archive_download_url)
        if status == _GONE:
            raise _expired_error(artifact)
        location = headers.get("location", "")
        if status != _FOUND:
            raise GithubException(status, {"message": output[:200]}, headers)
    schemes = {"https", urlsplit(client.access.api_url).scheme}
    if urlsplit(location).scheme not in schemes:
        message = f"GitHub does not say where artifact {artifact.id} is stored"
        raise user_error("github-unreachable", message, "run the job again")
    return str(location)


def _size_error(artifact: Artifact) -> UserError:
    message = f"artifact {artifact.id} has more than {MAX_ARCHIVE_BYTES >> 20} MiB"
    return user_error("github-artifact", message, "see what the workflow uploads: a report is far smaller")


def _expired_error(artifact: Artifact) -> UserError:
    return user_error("github-artifact", f"artifact {artifact.id} with the report has expired", _AGAIN)
