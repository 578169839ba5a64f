"""The links of a report, as GitHub and GitLab say in their variables where a job runs."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.render.report_markdown import ReportLinks


def links_of_job(variables: Mapping[str, str], commit: str) -> ReportLinks:
    """Return the links of a report on a commit."""
    if repository := variables.get("GITHUB_REPOSITORY"):
        project = f"{variables.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
        run = f"{project}/actions/runs/{variables['GITHUB_RUN_ID']}" if variables.get("GITHUB_RUN_ID") else ""
        return ReportLinks(run, files=f"{project}/blob/{commit}")
    if project := variables.get("CI_PROJECT_URL", ""):
        return ReportLinks(variables.get("CI_JOB_URL", ""), files=f"{project}/-/blob/{commit}")
    return ReportLinks()
