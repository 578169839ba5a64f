"""What the backend `docker` makes of an engine: as which user containers run, and what is asked of it for GPUs."""

from __future__ import annotations

import pytest

from reconciler.backends._docker_engine import container_user, gpu_requests
from reconciler.diagnostics import UserError
from reconciler.runner.queue import Devices

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("options", "user"),
    [
        ([], "1000:100"),
        (["name=apparmor", "name=seccomp,profile=default", "name=cgroupns"], "1000:100"),
        (["seccomp"], "1000:100"),
        (["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"], "0:0"),
    ],
)
def test_a_container_runs_as_who_submits_or_as_root_of_a_rootless_engine_which_is_the_same(options, user):
    assert container_user(options, 1000, 100) == user


@pytest.mark.parametrize("option", ["name=userns", "userns"])
def test_an_engine_that_maps_users_to_others_is_refused(option):
    with pytest.raises(UserError, match="would belong to another user") as caught:
        container_user(["name=seccomp,profile=default", option], 1000, 100)
    assert caught.value.diagnostics[0].code == "container-refused"


def test_an_engine_is_asked_for_the_gpus_of_the_backend():
    assert gpu_requests(Devices()) is None
    (request,) = gpu_requests(Devices("/locks", ("0", "1"), 2)) or ()
    assert (request["DeviceIDs"], request["Capabilities"]) == (["0", "1"], [["gpu"]])
