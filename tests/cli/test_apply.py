from pathlib import Path


def test_a_second_plan_is_empty(small, mlgit):
    first = mlgit("apply", "--auto-approve", "--wait", cwd=small)
    assert first.code == 0, first.err
    assert "Applied" in first.out
    second = mlgit("plan", "--detailed-exitcode", cwd=small)
    assert (second.code, second.out) == (0, "No changes. The live state is what Git declares.\n")
