"""Services as fixtures: each started once for a session, on demand; without it a test is skipped, in CI it fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from github_api import GithubApi, serve
from services import azurite as azurites
from services import conda_channel as conda_channels
from services import docker, git_http, git_ssh, github_openapi, mlflow_server, moto_s3, samba, sftp, webhdfs
from services import ray_cluster as ray_service
from services import ray_hosts as ray_hosts_service
from services import slurm as slurm_service
from services import ssh_node as ssh_node_service

from reconciler.model.tasks import Prefix


def need(missing: str) -> None:
    """Skip the test where its service is not there; CI must have them all."""
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI tests with it")
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def git_over_ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[git_ssh.GitOverSsh]:
    """Serve Git over ssh."""
    need(git_ssh.MISSING)
    with git_ssh.GitOverSsh(tmp_path_factory.mktemp("ssh") / "sshd") as service:
        yield service


@pytest.fixture(scope="session")
def git_over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[git_http.GitOverHttp]:
    """Serve the repositories of all tests over HTTP."""
    need(git_http.MISSING)
    root: Path = tmp_path_factory.getbasetemp()
    with git_http.GitOverHttp(tmp_path_factory.mktemp("http") / "lighttpd", root) as service:
        yield service


@pytest.fixture(scope="session")
def conda_channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a conda channel with a real Python; made once for all processes of a session."""
    need(conda_channels.MISSING)
    shared = tmp_path_factory.getbasetemp()
    folder = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "conda-channel"
    with FileLock(f"{folder}.lock"):
        return folder if (folder / "noarch" / "repodata.json").exists() else conda_channels.make_channel(folder)


@pytest.fixture
def github_api() -> Iterator[GithubApi]:
    """Serve GitHub's REST API for one repository; each request was one that GitHub's description allows."""
    need("" if github_openapi.is_judge_installed() else "openapi-core is not installed")
    with serve(GithubApi()) as api:
        yield api
    assert api.violations == []


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.DockerEngine]:
    """Run a Docker engine and a registry; the engine has the image ``mlgit-tests/python:3``."""
    need(docker.MISSING)
    with docker.DockerEngine(tmp_path_factory.mktemp("docker") / "engine") as engine:
        docker.import_base(engine)
        yield engine


@pytest.fixture
def docker_host(docker_engine: docker.DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerEngine]:
    """Make the engine the one that is used; what mlgit made on it is removed when the test is over."""
    for name, value in docker_engine.environment.items():
        monkeypatch.setenv(name, value)
    yield docker_engine
    docker_engine.remove_images()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurites.Azurite]:
    """Serve Azure Blob Storage."""
    need(azurites.MISSING)
    service = azurites.Azurite(tmp_path_factory.mktemp("azurite") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto_s3.MotoS3]:
    """Serve S3."""
    need(moto_s3.MISSING)
    service = moto_s3.MotoS3(tmp_path_factory.mktemp("s3") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def mlflow_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlflow_server.MlflowServer]:
    """Serve MLflow's tracking API and registry."""
    need(mlflow_server.MISSING)
    service = mlflow_server.MlflowServer(tmp_path_factory.mktemp("mlflow") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def smb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[samba.Samba]:
    """Serve a share."""
    need(samba.MISSING)
    service = samba.Samba(tmp_path_factory.mktemp("samba") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sftp.SftpServer]:
    """Serve sftp."""
    need(sftp.MISSING)
    service = sftp.SftpServer(tmp_path_factory.mktemp("sftp") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webhdfs.WebHdfs]:
    """Serve WebHDFS."""
    need(webhdfs.MISSING)
    service = webhdfs.WebHdfs(tmp_path_factory.mktemp("hdfs") / "service")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def ssh_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssh_node_service.SshNode]:
    """A node that shares no disk with the tests, but for the folders that they leave visible."""
    need(ssh_node_service.MISSING)
    node = ssh_node_service.SshNode(tmp_path_factory.mktemp("node") / "sshd")
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_service.SlurmCluster]:
    """A Slurm cluster whose nodes do not see the checkout of mlgit."""
    need(slurm_service.MISSING)
    yield from _started(slurm_service.SlurmCluster(tmp_path_factory.mktemp("slurm") / "cluster"))


@pytest.fixture(scope="session")
def accounted_slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_service.SlurmCluster]:
    """Another one, whose slurmdbd knows of jobs that the controller has forgotten."""
    need(slurm_service.ACCOUNTING_MISSING)
    folder = tmp_path_factory.mktemp("accounted-slurm") / "cluster"
    yield from _started(slurm_service.SlurmCluster(folder, has_accounting=True))


@pytest.fixture(scope="session")
def limited_slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm_service.SlurmCluster]:
    """Another one, whose kernel kills what uses more memory than it asked for; not every machine can have one."""
    need(slurm_service.MISSING)
    if slurm_service.MEMORY_LIMIT_MISSING:
        pytest.skip(slurm_service.MEMORY_LIMIT_MISSING)
    folder = tmp_path_factory.mktemp("limited-slurm") / "cluster"
    yield from _started(slurm_service.SlurmCluster(folder, has_memory_limit=True))


def _started(cluster: slurm_service.SlurmCluster) -> Iterator[slurm_service.SlurmCluster]:
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def slurm(
    slurm_cluster: slurm_service.SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[slurm_service.SlurmCluster]:
    """The cluster, which Slurm's commands find; no job is left on it when the test is over."""
    yield from _used(slurm_cluster, monkeypatch)


@pytest.fixture
def limited_slurm(
    limited_slurm_cluster: slurm_service.SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[slurm_service.SlurmCluster]:
    """The cluster with limits of memory, in the same way."""
    yield from _used(limited_slurm_cluster, monkeypatch)


@pytest.fixture
def accounted_slurm(
    accounted_slurm_cluster: slurm_service.SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[slurm_service.SlurmCluster]:
    """The cluster with accounting, in the same way."""
    yield from _used(accounted_slurm_cluster, monkeypatch)


def _used(cluster: slurm_service.SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[slurm_service.SlurmCluster]:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.restore()


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ray_service.RayCluster]:
    """A Ray cluster whose nodes do not see the checkout of mlgit."""
    need(ray_service.MISSING)
    cluster = ray_service.RayCluster(tmp_path_factory.mktemp("ray") / "cluster")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def ray_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ray_hosts_service.RayHosts]:
    """Three machines on which mlgit can make a Ray cluster; they do not see the checkout of mlgit."""
    need(ray_service.MISSING or ssh_node_service.MISSING)
    hosts = ray_hosts_service.RayHosts(tmp_path_factory.mktemp("ray-hosts"))
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.stop()


@pytest.fixture(scope="session")
def plain_environment(tmp_path_factory: pytest.TempPathFactory) -> Prefix:
    """A virtual environment with pip, such as the builder `venv` makes."""
    path = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([ssh_node_service.PYTHON, "-m", "venv", str(path)], check=True)
    return Prefix(str(path), "here", {"VIRTUAL_ENV": str(path)})
