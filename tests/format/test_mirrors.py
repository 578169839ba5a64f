"""`mirrors:` of mlgit.yml: which URI has which file or URL in its place."""

from __future__ import annotations

import pytest
from planning.project import plan_options_of, small, tree_of

from reconciler.config.config import parse_config
from reconciler.format.include import IncludeGlob
from reconciler.format.load import load_assets
from reconciler.format.mirrors import NO_MIRROR, UsedMirror, find_mirror
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

MIRRORS = (
    ("https://example.org/data/", "mirror/data"),
    ("https://example.org/data/big", "https://cache.example.net/big/"),
    ("https://Example.com", "mirror/com"),
    ("wasbs://datasets@store.blob.core.windows.net", "mirror/data/"),
    ("azureml://datastores/workspaceblobstore/paths", "mirror/blob"),
)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("https://example.org/data/iris.csv", "mirror/data/iris.csv"),
        ("https://example.org/data", "mirror/data"),
        ("https://example.org/data/", "mirror/data"),
        ("HTTPS://EXAMPLE.ORG/data/Iris.csv", "mirror/data/Iris.csv"),
        ("https://example.org/data/a%20b.csv?sv=1#2", "mirror/data/a b.csv"),
        ("https://example.org/data/x/../iris.csv", "mirror/data/iris.csv"),
        ("https://example.org/data/bigger.csv", "mirror/data/bigger.csv"),
        ("https://example.com/", "mirror/com"),
        ("https://example.com", "mirror/com"),
        ("wasbs://datasets@store.blob.core.windows.net/", "mirror/data"),
        ("wasbs://datasets@store.blob.core.windows.net/iris.csv", "mirror/data/iris.csv"),
        ("azureml://datastores/workspaceblobstore/paths/example-data/", "mirror/blob/example-data"),
    ],
)
def test_a_mirror_is_found_by_the_beginning_of_a_uri(uri, path):
    assert find_mirror(MIRRORS, uri) == UsedMirror(path=path)


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/database.csv",
        "https://example.org/Data/iris.csv",
        "http://example.org/data/iris.csv",
        "https://example.org.evil.net/data/iris.csv",
        "https://example.org/data/../secret.csv",
        "https://example.org/data/%2e%2e/secret.csv",
        "https://example.org/data/a%00b",
        "https://other.example.org/",
        "no uri",
        "",
    ],
)
def test_no_mirror_is_found_for_another_host_path_or_scheme_nor_outside_of_the_folder(uri):
    assert find_mirror(MIRRORS, uri) == NO_MIRROR


@pytest.mark.parametrize("mirrors", [MIRRORS, MIRRORS[::-1]])
def test_the_longest_prefix_counts_and_may_lead_to_another_url(mirrors):
    assert find_mirror(mirrors, "https://example.org/data/big/x.csv") == UsedMirror(
        url="https://cache.example.net/big/x.csv"
    )


def mirrors_diagnostics(text: str) -> list[tuple[str, int]]:
    raw = f"{small()['mlgit.yml']}mirrors:\n  {text}\n".encode()
    _, diagnostics = parse_config(parse_yaml("mlgit.yml", raw)[0])
    lines = raw.decode().splitlines()
    return [(item.code, item.span.line - len(lines)) for item in diagnostics if item.span]


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.org/: /absolute",
        "https://example.org/: ../outside",
        "https://example.org/: mirror/../../outside",
        "https://example.org/: ~/mirror",
        "https://example.org/: ftp://example.net/",
        "https://example.org/: wasbs://a@b/",
        'https://example.org/: ""',
        "https://example.org/: [mirror]",
        "https://example.org/?query: mirror",
        "example.org: mirror",
        "https:///path: mirror",
    ],
)
def test_a_mirror_that_cannot_be_one_is_reported_at_its_line(entry):
    assert {line for _, line in mirrors_diagnostics(entry)} == {0}


@pytest.mark.parametrize("path", ["mirror", "./mirror/", ".mirror/a b/c.d", "https://localhost:8000/x", "."])
def test_a_mirror_is_a_path_in_the_workspace_or_a_url(path):
    assert mirrors_diagnostics(f"https://example.org/: {path}") == []


def test_a_target_has_mirrors_of_its_own():
    text = small()["mlgit.yml"] + "mirrors: {https://a.org/: a}\ntargets: {prod: {mirrors: {https://a.org/: null}}}\n"
    document, _ = parse_yaml("mlgit.yml", text.encode())
    default, prod = (parse_config(document, name)[0] for name in ("default", "prod"))
    assert (default.mirrors, prod.mirrors) == ((("https://a.org/", "a"),), ())
    assert plan_options_of({"mlgit.yml": text}).config.include[0].mirrors == default.mirrors


def test_mirrors_are_below_the_folder_of_the_workspace():
    data = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: n\npath: https://a.org/n.csv\n"
    tree = tree_of({"ws/data/n.yml": data, "ws/mirror/n.csv": "1", "mirror/n.csv": "2"}, root="ws/")
    declared = load_assets(tree, [("ws/data/n.yml", IncludeGlob("**", mirrors=(("https://a.org", "mirror"),)))])
    (asset,) = declared.assets.values()
    assert [(path.pointer, path.path) for path in asset.paths] == [("/path", "ws/mirror/n.csv")]
