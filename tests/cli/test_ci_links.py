"""The links of a report, by the variables of GitHub and GitLab."""

from __future__ import annotations

import pytest

from reconciler.cli._ci_links import links_of_job
from reconciler.render.report_markdown import ReportLinks

pytestmark = pytest.mark.fast

GITHUB = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "acme/models", "GITHUB_RUN_ID": "7"}
GITLAB = {"CI_PROJECT_URL": "https://gitlab.example/acme/models", "CI_JOB_URL": "https://gitlab.example/jobs/7"}


def test_a_report_links_to_the_run_and_the_files_of_the_commit():
    run, files = "https://git.example/acme/models/actions/runs/7", "https://git.example/acme/models/blob/c0ffee"
    assert links_of_job(GITHUB, "c0ffee") == ReportLinks(run, files=files)
    files = "https://gitlab.example/acme/models/-/blob/c0ffee"
    assert links_of_job(GITLAB, "c0ffee") == ReportLinks("https://gitlab.example/jobs/7", files=files)
    assert links_of_job({}, "c0ffee") == ReportLinks()
