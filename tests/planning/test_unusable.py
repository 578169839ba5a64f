"""What is recorded of a build in which a backend can run no job, and what a plan makes of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from reconciler.model import Address
from reconciler.model.builds import Unusable, mark_unusable, merge_builds, read_unusable
from reconciler.planning.unusable import find_unusable, settings_digest

pytestmark = pytest.mark.fast

BUILD = {"identity": "1", "lock": ""}
PLAIN = Address("environment", "plain")


def config(**settings: str):
    return SimpleNamespace(backends={"docker": {"type": "docker", **settings}, "other": {"type": "docker"}})


def marked(**settings: str):
    return mark_unusable(
        BUILD, "docker", Unusable("no Python", "use another", settings_digest(config(**settings), "docker"))
    )


def test_the_first_build_is_kept_and_what_is_unusable_is_added_to_it():
    merged = merge_builds({"docker": {**marked(), "identity": "2"}, "venv": BUILD}, {"docker": BUILD})
    assert merged == {"docker": marked(), "venv": BUILD}
    assert merge_builds({"docker": BUILD}, {"docker": marked()}) == {"docker": marked()}
    assert read_unusable(BUILD, "docker") is None


@pytest.mark.parametrize(
    ("backend", "settings", "count"),
    [("docker", {}, 1), ("docker", {"interpreter": "/opt/python"}, 0), ("other", {}, 0)],
)
def test_a_build_is_refused_for_the_backend_with_the_settings_that_it_had(backend, settings, count):
    state = SimpleNamespace(find_builds=lambda fingerprint: {"docker": marked()} if fingerprint == "f" else {})
    found = list(find_unusable(state, config(**settings), PLAIN, "f", [backend, backend]))
    assert [(item.code, item.message) for item in found] == [
        ("image-unusable", "environment/plain: docker: no Python")
    ] * count
    assert list(find_unusable(state, config(), PLAIN, "", ["docker"])) == []
