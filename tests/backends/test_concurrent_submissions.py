"""Several threads of one apply submit at once: what they write together is written by each under a name of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reconciler.backends._runner import install_runner
from reconciler.runner.files import read_json_object, write_json_atomically

_THREADS = 8


def _at_once(work, *arguments):
    barrier = threading.Barrier(_THREADS)

    def run(_: int):
        barrier.wait()
        return work(*arguments)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(run, range(_THREADS)))


def test_threads_that_install_the_runner_at_once_all_get_it(tmp_path: Path) -> None:
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        (path,) = set(_at_once(install_runner, folder))
        assert [path] == list(folder.iterdir())


def test_threads_that_write_one_file_at_once_leave_it_complete(tmp_path: Path) -> None:
    document = {str(number): number for number in range(2000)}
    for number in range(20):
        path = tmp_path / f"{number}.json"
        _at_once(write_json_atomically, path, document)
        assert read_json_object(path) == document
    assert len(list(tmp_path.iterdir())) == 20
