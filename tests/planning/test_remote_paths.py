"""Paths of data that are refused by default: of this machine, of its link, and out of a datastore."""

from __future__ import annotations

import pytest
from planning.project import InMemoryProject, declared_by, edited, plan_options_of, small

from reconciler.diagnostics import Severity
from reconciler.model.local_hosts import is_local_host
from reconciler.planning.file_checks import check_files_together

pytestmark = pytest.mark.fast

INPUT = "path: azureml:numbers@latest"


def diagnostics_of(files):
    return check_files_together(declared_by(files), plan_options_of(files).config, None)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"),
        *("0", "::1", "::", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0"),
        *("168.63.129.16", "100.100.100.200", "fd00:ec2::254"),
    ],
)
def test_a_host_of_this_machine_or_of_its_link_is_local_however_it_is_written(host):
    assert is_local_host(host)


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "192.168.1.1", "2001:db8::1", "1.2.3.4.5", "08.1.1.1", ""])
def test_any_other_host_is_not(host):
    assert not is_local_host(host)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("file:///etc/passwd", "url-local"),
        ("http://127.0.0.1:8080/x.csv", "url-local"),
        ("https://localhost/x.csv", "url-local"),
        ("http://169.254.169.254/latest/meta-data/x", "url-local"),
        ("http://[::1]/x.csv", "url-local"),
        ("azureml://datastores/workspaceblobstore/paths/../x.csv", "path-outside"),
        ("wasbs://box@acc.blob.core.windows.net/a/../../x.csv", "path-outside"),
        ("https://acc.blob.core.windows.net/box/a/../../x.csv", "path-outside"),
    ],
)
@pytest.mark.parametrize("file", ["jobs/sum.yml", "data/numbers.yml"])
def test_it_is_refused_at_its_line_in_data_and_in_jobs(path, code, file):
    old = INPUT if file == "jobs/sum.yml" else "path: numbers.csv"
    found = [item for item in diagnostics_of(edited(file, old, f'path: "{path}"')) if item.code == code]
    assert [item.severity for item in found] == [Severity.ERROR]
    assert found[0].span
    assert found[0].span.path == file
    assert path in found[0].message
    assert "mlgit.yml" in found[0].hint or "without .." in found[0].hint


@pytest.mark.parametrize("file", ["jobs/sum.yml", "data/numbers.yml"])
def test_a_url_of_a_file_of_this_machine_is_said_once(file):
    old = INPUT if file == "jobs/sum.yml" else "path: numbers.csv"
    found = diagnostics_of(edited(file, old, "path: file:///etc/passwd"))
    assert [item.code for item in found] == ["url-local"]


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("http://127.0.0.1:8080/x.csv", "local_hosts: [127.0.0.1]"),
        ("http://127.0.0.1:8080/x.csv", 'mirrors: {"http://127.0.0.1:8080/": "http://127.0.0.1:9/"}'),
    ],
)
def test_mlgit_yml_can_allow_it(path, setting):
    files = edited("jobs/sum.yml", INPUT, f'path: "{path}"', small())
    files["mlgit.yml"] = f"{files['mlgit.yml'].rstrip()}\n{setting}\n"
    assert not [item for item in diagnostics_of(files) if item.code == "url-local"]
    assert InMemoryProject().plan(files).submissions


def test_a_job_that_opens_the_url_itself_may_name_any_host():
    edit = edited("jobs/sum.yml", f"type: uri_file, {INPUT}", "type: uri_file, mode: direct, path: http://localhost/x")
    assert not [item for item in diagnostics_of(edit) if item.severity is Severity.ERROR]
