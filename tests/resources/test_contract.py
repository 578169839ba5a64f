"""The contract of every provider of resources: those that are installed, and the reference provider of these tests."""

from __future__ import annotations

import pytest

from reconciler.model import Address, Asset, Handle, Phase
from reconciler.resources import RESOURCES

ASSET = Asset(Address("compute", "cpu"), {"type": "amlcompute", "size": "small"}, "compute/cpu.yml")


@pytest.fixture(params=["reference", *RESOURCES.names()])
def resource(request):
    """Open a provider; one that needs an account brings a fixture of its own, named after it."""
    return request.getfixturevalue(request.param)


def phase(resource, handle):
    return resource.read([handle])[handle].phase


def delete(resource, handle):
    resource.delete(handle)
    while phase(resource, handle) is not Phase.GONE:
        pass


def test_one_token_makes_one_resource(resource):
    handle = resource.create(ASSET, "a" * 64)
    assert resource.create(ASSET, "a" * 64).id == handle.id
    assert resource.find("a" * 64).id == handle.id
    assert resource.create(ASSET, "b" * 64).id != handle.id


def test_a_token_that_made_nothing_finds_nothing(resource):
    assert resource.find("c" * 64) is None


def test_a_handle_survives_its_record(resource):
    handle = resource.create(ASSET, "a" * 64)
    assert phase(resource, Handle.from_json(handle.to_json())) is not Phase.GONE


def test_every_handle_has_a_condition(resource):
    one, two = (resource.create(ASSET, letter * 64) for letter in "ab")
    delete(resource, one)
    conditions = resource.read([one, two])
    assert conditions[one].phase is Phase.GONE
    assert conditions[two].phase in {Phase.READY, Phase.PENDING}
    assert resource.read([]) == {}


def test_deleting_and_updating_again_change_nothing(resource):
    handle = resource.create(ASSET, "a" * 64)
    for _ in range(2):
        resource.update(handle, ASSET._replace(spec={**ASSET.spec, "max_instances": 2}))
    for _ in range(2):
        delete(resource, handle)
    assert resource.find("a" * 64) is None


def test_what_is_reported_of_the_settings_is_as_declared(resource):
    handle = resource.create(ASSET, "a" * 64)
    changed = ASSET._replace(spec={**ASSET.spec, "max_instances": 2})
    resource.update(handle, changed)
    settings = resource.read([handle])[handle].settings
    assert {name: settings[name] for name in settings.keys() & changed.spec.keys()}.items() <= changed.spec.items()


def test_an_unreachable_provider_is_unknown_and_never_gone(reference, provider):
    handle = reference.create(ASSET, "a" * 64)
    provider.set("unreachable")
    assert phase(reference, handle) is Phase.UNKNOWN
