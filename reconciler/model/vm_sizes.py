"""The sizes of virtual machines that Azure ML computes most often have, with what a machine of each size has.

From Microsoft's pages on the series (MicrosoftDocs/azure-compute-docs, articles/virtual-machines/sizes, and for the
retired NC series MicrosoftDocs/azure-docs, articles/virtual-machines/nc-series.md). Of a size that is not here, nothing
is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class VmSize(NamedTuple):
    """A size: its name, processors, GiB of memory and GPUs of one machine."""

    name: str
    cpus: int
    memory_gib: float
    gpus: int = 0


_SIZES = (
    *(VmSize(f"Standard_DS{number}_v2", cpus, cpus * 3.5) for number, cpus in enumerate((1, 2, 4, 8, 16), start=1)),
    *(VmSize(f"Standard_D{number}_v2", cpus, cpus * 3.5) for number, cpus in enumerate((1, 2, 4, 8, 16), start=1)),
    *(VmSize(f"Standard_DS{number}_v2", cpus, cpus * 7) for number, cpus in enumerate((2, 4, 8, 16, 20), start=11)),
    *(VmSize(f"Standard_D{number}_v2", cpus, cpus * 7) for number, cpus in enumerate((2, 4, 8, 16, 20), start=11)),
    *(VmSize(f"Standard_D{cpus}s_v3", cpus, cpus * 4) for cpus in (2, 4, 8, 16, 32, 48, 64)),
    *(VmSize(f"Standard_E{cpus}s_v3", cpus, cpus * 8) for cpus in (2, 4, 8, 16, 20, 32, 48)),
    VmSize("Standard_E64s_v3", 64, 432),
    *(VmSize(f"Standard_F{cpus}s_v2", cpus, cpus * 2) for cpus in (2, 4, 8, 16, 32, 48, 64, 72)),
    VmSize("Standard_NC6", 6, 56, 1),
    VmSize("Standard_NC12", 12, 112, 2),
    VmSize("Standard_NC24", 24, 224, 4),
    VmSize("Standard_NC24r", 24, 224, 4),
    VmSize("Standard_NC6s_v3", 6, 112, 1),
    VmSize("Standard_NC12s_v3", 12, 224, 2),
    VmSize("Standard_NC24s_v3", 24, 448, 4),
    VmSize("Standard_NC24rs_v3", 24, 448, 4),
    VmSize("Standard_NC4as_T4_v3", 4, 28, 1),
    VmSize("Standard_NC8as_T4_v3", 8, 56, 1),
    VmSize("Standard_NC16as_T4_v3", 16, 110, 1),
    VmSize("Standard_NC64as_T4_v3", 64, 440, 4),
    VmSize("Standard_NC24ads_A100_v4", 24, 220, 1),
    VmSize("Standard_NC48ads_A100_v4", 48, 440, 2),
    VmSize("Standard_NC96ads_A100_v4", 96, 880, 4),
    VmSize("Standard_NC40ads_H100_v5", 40, 320, 1),
    VmSize("Standard_NC80adis_H100_v5", 80, 640, 2),
    VmSize("Standard_ND40rs_v2", 40, 672, 8),
    VmSize("Standard_ND96asr_v4", 96, 900, 8),
    VmSize("Standard_ND96amsr_A100_v4", 96, 1900, 8),
    VmSize("Standard_ND96isr_H100_v5", 96, 1900, 8),
    VmSize("Standard_ND96isr_H200_v5", 96, 1850, 8),
    VmSize("Standard_NV12s_v3", 12, 112, 1),
    VmSize("Standard_NV24s_v3", 24, 224, 2),
    VmSize("Standard_NV48s_v3", 48, 448, 4),
)
_BY_NAME: Mapping[str, VmSize] = {size.name.casefold(): size for size in _SIZES}


def find_vm_size(name: str) -> VmSize | None:
    """Return the size of a name, which may be in any case; None if it is not known."""
    return _BY_NAME.get(name.strip().casefold())
