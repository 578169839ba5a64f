"""The fields that have an effect, with the values that have: ``tests/engine/test_honoured_fields.py`` shows each.

Those about Ray are shown by ``tests/engine/test_ray_distribution.py``.

This list is written by hand, and not read from the tables of the providers: a table is no proof of itself. ``of`` names
the type with which a field has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping

NUMBER = "a number"
RAY_ARGUMENTS = "other arguments of `ray start`"
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
        "/inputs/*/mode": ("ro_mount", "download", "direct", "eval_mount", "eval_download"),
        "/outputs/*/type": (),
        "/outputs/*/path": (),
        "/outputs/*/mode": ("rw_mount", "mount", "upload", "direct"),
        "/limits/timeout": (NUMBER,),
        "/resources/instance_count": ("1",),
        "/resources/instance_count of pytorch": (NUMBER,),
        "/resources/instance_count of tensorflow": (NUMBER,),
        "/resources/instance_count of mpi": (NUMBER,),
        "/resources/instance_count of ray": (NUMBER,),
        "/resources/instance_count of parallel": (NUMBER,),
        "/distribution/type": ("pytorch", "tensorflow", "mpi"),
        "/distribution/type of ray": ("ray",),
        "/distribution/process_count_per_instance of pytorch": (NUMBER,),
        "/distribution/process_count_per_instance of mpi": (NUMBER,),
        "/distribution/worker_count": (NUMBER,),
        "/distribution/parameter_server_count": (NUMBER,),
        "/distribution/port": (NUMBER,),
        "/distribution/include_dashboard": ("true", "false"),
        "/distribution/dashboard_port": (NUMBER,),
        "/distribution/head_node_additional_args": (RAY_ARGUMENTS,),
        "/distribution/worker_node_additional_args": (RAY_ARGUMENTS,),
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
