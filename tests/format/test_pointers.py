"""JSON pointers: one for values that are all of a mapping or a list."""

from __future__ import annotations

import pytest

from reconciler.format.pointers import combine_pointers

_JOB = {
    "services": {"code": {"type": "vs_code"}, "board": {"type": "tensor_board", "log_dir": "logs"}},
    "environment": {"image": "python", "conda_file": {"channels": ["a", "b"], "dependencies": ["pip"]}},
}
_SERVICES = ["/services/code/type", "/services/board/type", "/services/board/log_dir"]
_CHANNELS = ["/environment/conda_file/channels/0", "/environment/conda_file/channels/1"]


@pytest.mark.parametrize(
    ("pointers", "combined"),
    [
        (_SERVICES, ["/services"]),
        (_SERVICES[1:], ["/services/board"]),
        (_SERVICES[:2], _SERVICES[:2]),
        (["/services/code", "/services/board"], ["/services"]),
        (["/environment/image"], ["/environment/image"]),
        (_CHANNELS, ["/environment/conda_file/channels"]),
        ([*_SERVICES, "/environment/image"], ["/services", "/environment/image"]),
        (
            [*_SERVICES, *_CHANNELS, "/environment/image"],
            ["/services", _CHANNELS[0].rpartition("/")[0], "/environment/image"],
        ),
        ([], []),
    ],
)
def test_pointers_of_all_values_of_something_become_its_pointer(pointers, combined):
    assert combine_pointers(_JOB, pointers) == combined
