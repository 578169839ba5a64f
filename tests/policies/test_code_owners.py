"""CODEOWNERS as GitHub documents it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.policies.code_owners import find_owners, parse_code_owners

pytestmark = pytest.mark.fast

DOCUMENTED = """
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", {"global-owner1", "global-owner2"}),
        ("src/a.js", {"js-owner"}),
        ("a/b.txt", {"octo-org/octocats"}),
        ("build/logs/today", {"octocat"}),  # a later line, **/logs
        ("docs/a.md", {"doctocat"}),
        ("other/docs/a.md", {"global-owner1", "global-owner2"}),
        ("other/apps/x/y", {"octocat"}),
        ("deeply/nested/logs/x", {"octocat"}),
        ("apps/github", set()),
        ("apps/github/x", set()),
        ("apps/other", {"octocat"}),
    ],
)
def test_the_examples_of_github_s_documentation(path, owners):
    assert find_owners(parse_code_owners(DOCUMENTED), path) == owners


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("docs/*", "docs/getting-started.md", True),
        ("docs/*", "docs/build-app/troubleshooting.md", False),
        ("/policies/", "policies/a.yml", True),
        ("/policies/", "sub/policies/a.yml", False),
        ("policies/", "sub/policies/a.yml", True),
        ("policies", "policies/a.yml", True),
        ("polic?es/a.yml", "policies/a.yml", True),
        ("/policies/**", "policies/a/b.yml", True),
        ("**/a.yml", "a.yml", True),
        ("/**/a.yml", "x/y/a.yml", True),
        ("a\\ b.yml", "a b.yml", True),
        ("!policies/a.yml", "policies/a.yml", False),  # means nothing there
        ("[p]olicies/a.yml", "policies/a.yml", False),
        ("a.yml", "a.ymlx", False),
        ("a.yml", "aXyml", False),
    ],
)
def test_a_pattern_is_that_of_gitignore_with_github_s_exceptions(pattern, path, matches):
    assert bool(find_owners(parse_code_owners(f"{pattern} @Ada"), path)) is matches


@given(st.text(), st.text())
def test_any_text_is_read(text, path):
    assert isinstance(find_owners(parse_code_owners(text), path), frozenset)
