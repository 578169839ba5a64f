"""The settings of a Ray cluster that mlgit makes, and what it does with fields of its compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.backends import ssh
from reconciler.backends._ssh_settings import check_host_key
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json
from reconciler.model.clusters import HOSTS
from reconciler.model.support import Honoured

_SSH = ssh.BACKEND.settings["properties"]
_OF_HOST = ("machine", "port", "user", "host_key", "known_hosts")
_SHARED = ("port", "user", "known_hosts")
_ATTACHED = ("address", "machine", "host_key")
PROPERTIES: Mapping[str, Json] = {
    "hosts": {
        "description": "Machines on which mlgit makes the cluster, by ssh: the head on the first, nodes on the others.",
        "type": "array",
        "minItems": 2,
        "items": {
            "type": "object",
            "properties": {
                **{name: _SSH[name] for name in _OF_HOST},
                "address": {
                    "description": "The address of the machine in the network of the cluster, at which Ray is reached.",
                    "type": "string",
                    "pattern": r"^(?!127\.)[0-9]{1,3}(\.[0-9]{1,3}){3}$",
                    "errorMessage": "an IPv4 address at which the other hosts reach it, such as 10.0.0.1",
                },
            },
            "required": ["machine", "address"],
            "additionalProperties": False,
        },
    },
    "ray": {
        "description": "The program `ray` of the hosts, of Ray 2; if omitted, the ray that is in their PATH.",
        "type": "string",
        "minLength": 1,
    },
}
COMPUTE = (
    Honoured("/type", ("amlcompute",)),
    Honoured("/min_instances"),
    Honoured("/max_instances"),
    Honoured("/idle_time_before_scale_down"),
)


def check_settings(settings: Mapping[str, Json]) -> Iterator[tuple[str | tuple[str, ...], Diagnostic]]:
    """Yield what is wrong with settings that are as their schema says: the name of one or the path to it, and what."""
    hosts = settings.get("hosts")
    yield from check_host_key(settings)
    for number, host in enumerate(hosts or ()):
        yield from (((HOSTS, str(number), name), problem) for name, problem in check_host_key(host))
    if hosts is None:
        if "machine" in settings and "address" not in settings:
            message = (
                "machine: is the one that submits to a cluster that exists, and the backend has no address: of one"
            )
            hint = "add address:, or name the machines of a cluster that mlgit makes with hosts:"
            yield "machine", Diagnostic("wrong-value", message, hint=hint)
        if "ray" in settings and "address" in settings:
            message = "ray: is for a cluster that mlgit makes, and address: for one that exists"
            yield "ray", Diagnostic("wrong-value", message, hint="keep one of them")
        return
    for name in _ATTACHED:
        if name in settings:
            message = f"{name}: is for a cluster that exists, and hosts: is for one that mlgit makes"
            yield name, Diagnostic("wrong-value", message, hint="keep one of them")
    addresses = [host["address"] for host in hosts]
    if repeated := next((address for address in addresses if addresses.count(address) > 1), ""):
        message = f"two hosts have the address {repeated}, and Ray knows a host by its address"
        yield "hosts", Diagnostic("wrong-value", message, hint="list each machine once")


def find_ssh_settings(settings: Mapping[str, Json], host: Mapping[str, Json]) -> dict[str, Json]:
    """Return how a host is reached: by its own settings, and by those that all hosts have."""
    shared = {name: settings[name] for name in (*_SHARED, "folder", "python") if name in settings}
    return {**shared, **host}
