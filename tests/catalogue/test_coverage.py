"""The catalogue has the curated environments that published files name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from reconciler.catalogue.recipes import find_recipe

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "azureml-examples"

pytestmark = [
    pytest.mark.fast,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout"),
]

REFERENCE = re.compile(
    r"azureml://registries/azureml/environments/(?P<registry>[\w.-]+)"
    r"|azureml:(?P<workspace>AzureML-[\w.-]+)"
    r"|mcr\.microsoft\.com/azureml/curated/(?P<image>[\w.-]+)"
)


def test_nine_of_ten_references_to_curated_environments_are_covered():
    files = [path for path in CORPUS.rglob("*") if path.suffix in {".yml", ".yaml"}]
    names = Counter(
        match[match.lastgroup or 0]
        for path in files
        for match in REFERENCE.finditer(path.read_text("utf-8", "replace"))
    )
    missing = Counter({name: count for name, count in names.items() if not find_recipe(name)})
    assert names.total() > 50
    assert missing.total() <= names.total() / 10, missing.most_common()
