import pathlib


def run(mini_batch):
    return [sum(int(line) for line in pathlib.Path(path).read_text().split()) * 2 for path in mini_batch]
