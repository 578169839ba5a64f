"""The fields that have an effect, with the values that have: ``tests/engine/test_honoured_fields.py`` shows each.

This list is written by hand, and not read from the tables of the providers: a table is no proof of itself.
"""

from __future__ import annotations

from collections.abc import Mapping

HONOURED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "job": {
        "/command": (),
        "/code": (),
        "/environment": (),
        "/environment_variables": (),
        "/compute": (),
        "/inputs/*": (),
        "/inputs/*/value": (),
        "/inputs/*/type": (),
        "/inputs/*/path": (),
        "/inputs/*/mode": ("ro_mount", "download", "direct"),
        "/outputs/*/type": (),
        "/limits/timeout": (),
        "/resources/instance_count": ("1",),
    },
    "compute": {
        "/max_instances": (),
    },
    "environment": {
        "/conda_file": (),
        "/conda_file/dependencies": (),
        "/conda_file/variables": (),
        "/os_type": ("linux",),
    },
}
