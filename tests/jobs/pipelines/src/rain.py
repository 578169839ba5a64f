"""The rain of each file of a mini-batch."""

import argparse
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--unit", default="mm")


options = argparse.Namespace()


def init():
    parser.parse_known_args(namespace=options)


def run(mini_batch):
    return [f"{name.stem} {rain(name)} {options.unit}" for name in map(pathlib.Path, mini_batch)]


def rain(table):
    return sum(int(line.partition(",")[2]) for line in table.read_text().splitlines()[1:])
