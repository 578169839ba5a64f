"""The compute that a job runs on, and the backend that mlgit.yml binds it to."""

from __future__ import annotations

from reconciler.config.config import Config
from reconciler.format.kinds import kind_by_name
from reconciler.model import Address, Asset

COMPUTE_POINTER = "/compute"
_PREFIX = "azureml:"  # of local, which is no asset


def compute_address(asset: Asset) -> Address | None:
    """Return the compute asset that a job refers to, None if it refers to none."""
    addresses = (reference.address for reference in asset.references if reference.pointer == COMPUTE_POINTER)
    return next(addresses, None)


def referenced_compute(asset: Asset) -> str:
    """Return the name of the compute asset that a job refers to, "" if it refers to none."""
    address = compute_address(asset)
    return address.name if address else ""


def compute_name(asset: Asset) -> str:
    """Return the name of the compute that a job runs on."""
    return referenced_compute(asset) or str(asset.spec.get("compute", "local")).removeprefix(_PREFIX)


def bound_backend(config: Config, address: Address) -> str:
    """Return the backend that mlgit.yml binds a compute to, whether a file declares it or not; "" for anything else."""
    return config.backend_of(address.name) if kind_by_name(address.kind).uses_backend else ""
