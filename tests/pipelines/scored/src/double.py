"""Multiply the numbers in files; one call in a hundred ends with the process, the first time."""

import argparse
import os
import pathlib
import signal

parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
arguments = parser.parse_args()


def is_first_time(name):
    mark = pathlib.Path(f"begun-{pathlib.Path(name).name}")
    if mark.exists():
        return False
    mark.touch()
    return True


def run(mini_batch):
    if mini_batch[0].endswith("03.txt") and is_first_time(mini_batch[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return [int(pathlib.Path(name).read_text()) * arguments.factor for name in mini_batch]
