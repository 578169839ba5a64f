"""Multiply the number in a file."""

import argparse
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("sum", type=pathlib.Path)
parser.add_argument("--factor", type=int)
parser.add_argument("--to", type=pathlib.Path)
arguments = parser.parse_args()
scaled = int(arguments.sum.read_text()) * arguments.factor
arguments.to.write_text(str(scaled))
print("scaled to", scaled)
