"""The quick search for a name of a secret finds each text that has one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.secrets import fields
from reconciler.secrets.fields import is_secret_name, may_have_secret_name, words_of_secret_names

pytestmark = pytest.mark.fast

SECRET_NAMES = st.from_regex(fields._SECRET_NAME, fullmatch=True)
CAMEL_CASE_NAMES = SECRET_NAMES.map(lambda name: name.replace("_", "-").swapcase())
NAMES = SECRET_NAMES | CAMEL_CASE_NAMES | st.text(max_size=20)


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(name=NAMES, before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_text_with_the_name_of_a_secret_is_never_passed_over(name, before, after):
    if is_secret_name(name):
        text = f"{before}{name}{after}"
        assert may_have_secret_name(text)
        assert may_have_secret_name(text, words_of_secret_names(f"{after}\n{text}\n{before}"))


@pytest.mark.parametrize(
    "name", ["acce\u017f\u017f_Key", "TO\u212aEN", "pa\xdfword", "COOK\u0130E", "cook\u0131e", "PA\u017f\u017f"]
)
def test_a_name_in_unusual_capitals_is_passed_over_only_if_it_is_no_secret(name):
    assert may_have_secret_name(name) or not is_secret_name(name)
