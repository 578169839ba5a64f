import os
import pathlib
import sys

import six

numbers, factor, total = sys.argv[1:]
texts = [path.read_text() for path in sorted(pathlib.Path(numbers).iterdir())]
value = sum(int(line) for text in texts for line in text.split()) * float(factor)
words = f"{os.environ['GREETING']} {value} {os.environ['UNIT']} with six {six.__version__}\n"
(pathlib.Path(total) / "total.txt").write_text(words)
print("total", value)
