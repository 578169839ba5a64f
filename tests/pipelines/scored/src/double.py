"""Multiply the numbers in files; about one call in a hundred ends with the process."""

import argparse
import os
import pathlib
import random
import signal

parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
arguments = parser.parse_args()


def run(mini_batch):
    if random.random() < 0.01:  # noqa: S311 - no secret
        os.kill(os.getpid(), signal.SIGKILL)
    return [int(pathlib.Path(name).read_text()) * arguments.factor for name in mini_batch]
