"""The environment of a job of a workflow, with the API of GitHub on this machine and no time to wait."""

from __future__ import annotations

import json
import time

import pytest
from github_api import TOKEN, GithubApi

HEAD, MERGE = "a" * 40, "c" * 40


@pytest.fixture
def api(github_api: GithubApi, monkeypatch: pytest.MonkeyPatch) -> GithubApi:
    """Serve GitHub's API for the environment of a job."""
    for name in ("GITHUB_EVENT_PATH", "GITHUB_EVENT_NAME", "GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_WORKFLOW_REF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_REPOSITORY", github_api.repository)
    monkeypatch.setenv("GITHUB_API_URL", github_api.url)
    monkeypatch.setenv("NO_PROXY", "*")
    return github_api


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note how long requests would wait before they are repeated, and wait not at all."""
    noted: list[float] = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


@pytest.fixture
def event(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Set the event that started the workflow."""

    def set_event(name: str, payload: object) -> None:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(payload), "utf-8")
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(path))
        monkeypatch.setenv("GITHUB_EVENT_NAME", name)

    return set_event
