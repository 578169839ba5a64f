"""The design's section 5 on secrets, sentence by sentence.

Not there yet, and held by no test: ``secrets:`` in mlgit.yml with ``from: env:VAR | keyring``, ``for`` and ``fields``;
names that count in fingerprints; a file of mode 0600, or standard input, by which a backend hands a secret to the
runner. What is said of a secret that a file declares, or that whoever runs mlgit has around, holds already.
"""

from __future__ import annotations

from design.held import missing

ELSEWHERE = {
    "a literal key in a file is an error with its line": (
        "tests/format/rules/test_secrets.py::test_a_secret_is_reported_at_its_span"
    ),
    "no ... plan, log ... shows one (of a variable that looks like a secret)": (
        "tests/cli/test_secrets.py::test_nothing_that_is_shown_has_the_secret_in_it"
    ),
    "no record ... shows one (of a field that is a secret)": (
        "tests/planning/test_masking.py::test_no_secret_of_a_file_reaches_a_plan_or_a_record"
    ),
    "no ... traceback ... shows one (of a remote's address)": (
        "tests/sharing/test_transports.py::test_a_wrong_password_is_told_and_never_shown"
    ),
    "Builders ... start from an allow-list environment": (
        "tests/builders/test_venv.py::test_secrets_stay_out_of_what_uv_is_given"
    ),
    "jobs start from an allow-list environment": (
        "tests/runner/test_staging.py::test_the_environment_is_an_allow_list"
    ),
    "jobs start from an allow-list environment (a whole apply, and no run folder shows a secret)": (
        "tests/engine/test_secrets.py::test_no_secret_of_the_caller_reaches_a_job"
    ),
}


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []
