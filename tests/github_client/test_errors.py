"""What may go wrong without a server: events, archives and connections that are not as expected."""

from __future__ import annotations

import ssl

import pytest
from github_api import zip_of
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import SSLError

from reconciler.diagnostics import UserError
from reconciler.github.archive import read_member
from reconciler.github.client import asking
from reconciler.github.event import Event, read_event

ARCHIVE = zip_of({"report.json": "{}", "plan.json": "[]"})
NAMES = {"report.json", "plan.json"}


@given(st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 40))
def test_an_archive_is_read_or_refused_whatever_is_damaged(changes, cut):
    damaged = bytearray(ARCHIVE)
    for position, value in changes:
        damaged[position] = value
    try:
        outcome: object = read_member(bytes(damaged[: len(damaged) - cut]), "report.json", NAMES)
    except UserError as error:
        outcome = error.diagnostics[0].code
    assert outcome in (b"{}", "github-artifact")


def code_of(error: Exception) -> str:
    """Return the diagnostic of an error of the client."""
    with pytest.raises(UserError) as raised, asking("a comment", "pull-requests: write"):
        raise error
    (diagnostic,) = raised.value.diagnostics
    return f"{diagnostic.message} [{diagnostic.code}]"


def test_a_certificate_that_is_not_trusted_is_named():
    error = SSLError(ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate"))
    assert code_of(error) == "GitHub was asked for a comment, and its certificate is not trusted [github-unreachable]"


def test_an_api_that_leads_to_another_host_is_refused():
    assert code_of(AssertionError("api.github.com")) == (
        "GITHUB_API_URL is not how this API names itself [github-repository]"
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "7",
            "{" * 100_000,
            '{"pull_request": [1]}',
            '{"pull_request": {"number": 7}}',
            '{"merge_group": 7}',
        ),
        '{"pull_request": {"number": 1e999, "head": {"sha": "a"}}}',
    ],
    ids=range(8),
)
def test_a_file_that_is_no_event_is_an_error(tmp_path, text):
    path = tmp_path / "event.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match="names no file with an event"):
        read_event({"GITHUB_EVENT_PATH": str(path)})


def test_outside_of_a_workflow_there_is_no_event():
    assert read_event({}) == Event()
    with pytest.raises(UserError, match="names no file with an event"):
        read_event({"GITHUB_EVENT_PATH": "/does/not/exist"})
