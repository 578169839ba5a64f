"""What the name of an image says: its Python, and what is lost where the image is not used."""

from __future__ import annotations

import pytest

from reconciler.builders._image import parse_image

pytestmark = pytest.mark.fast

PYTHONS = {
    "python": "",
    "python:latest": "",
    "python:3.12": "3.12",
    "python:3.11.6": "3.11",
    "python:3.12-slim-bookworm": "3.12",
    "python:3.9.18-alpine3.18": "3.9",
    "python:alpine3.18": "",
    "python:slim": "",
    "python:3": "3",
    "python:3-slim": "3",
    "python:2": "2",
    "python:2.7.18": "2.7",
    "python:3.13-rc": "3.13",
    "python:3.14.0a1": "3.14",
    "python:3.14rc2-slim": "3.14",
    "python@sha256:" + "0" * 64: "",
    "python:3.10@sha256:" + "0" * 64: "3.10",
    " python:3.10 ": "3.10",
    "library/python:3.12": "3.12",
    "library/python:latest": "",
    "docker.io/python:3.10-slim": "3.10",
    "docker.io/library/python:3.10": "3.10",
    "localhost:5000/python:3.10": "3.10",
    "localhost/python:3.10": "3.10",
    "registry.example.com:5000/team/python:3.10": "3.10",
    "registry.example.com:5000/team/python": "",
    "public.ecr.aws/docker/library/python:3.12": "3.12",
    "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm": "3.12",
    "mcr.microsoft.com/devcontainers/python:1-bookworm": "",
    "ghcr.io/astral-sh/uv:python3.12-bookworm-slim": "3.12",
    "registry.access.redhat.com/ubi9/python-311": "3.11",
    "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04": "",
    "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20240115.v1": "",
    "mcr.microsoft.com/azureml/minimal-py312-inference:latest": "3.12",
    "mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest": "3.8",
    "mcr.microsoft.com/azureml/curated/acpt-pytorch-2.2-cuda12.1:9": "",
    "mcr.microsoft.com/azureml/curated/minimal-py311-inference:3": "3.11",
    "mcr.microsoft.com/azureml/curated/pytorch-2.0-py3.10:1": "3.10",
    "quay.io/jupyter/scipy-notebook:python-3.11": "3.11",
    "continuumio/miniconda3": "",
    "continuumio/miniconda3:23.5.2-0": "",
    "pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime": "",
    "nvcr.io/nvidia/pytorch:23.05-py3": "",
    "tensorflow/tensorflow:2.16.1": "",
    "ubuntu": "",
    "ubuntu:22.04": "",
    "debian:12": "",
    "example.com/spy38:1": "",
    "example.com/py2004:1": "",
    "": "",
    "not a name": "",
    "${{inputs.image}}": "",
}
CONTENTS = {
    "pytorch/pytorch:2.1.0-cuda12.1": "torch",
    "nvcr.io/nvidia/pytorch:23.05-py3": "torch",
    "mcr.microsoft.com/azureml/curated/acpt-pytorch-2.2-cuda12.1:9": "torch",
    "tensorflow/tensorflow:2.16.1": "tensorflow",
    "mcr.microsoft.com/azureml/curated/sklearn-1.5:2": "scikit-learn",
    "mcr.microsoft.com/azureml/minimal-py312-inference": "azureml-inference-server-http",
    "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04": "CUDA",
    "nvidia/cuda:12.1-runtime": "CUDA",
    "continuumio/anaconda3": "Anaconda's packages",
    "huggingface/transformers-cpu": "transformers",
    "pypy:3.10": "PyPy",
}
BASES = (
    "python:3.12",
    "ubuntu:22.04",
    "library/debian",
    "continuumio/miniconda3",
    "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
    "mcr.microsoft.com/azureml/base:latest",
    "mcr.microsoft.com/azureml/intelmpi2018.3-ubuntu16.04:20210301.v1",
    "registry.access.redhat.com/ubi9/python-311",
)


@pytest.mark.parametrize("name", PYTHONS)
def test_the_name_of_an_image_says_which_python_it_has(name):
    assert parse_image(name).python == PYTHONS[name]


@pytest.mark.parametrize("name", CONTENTS)
def test_what_a_known_image_brings_is_known(name):
    image = parse_image(name)
    assert (image.contents, image.is_base) == (CONTENTS[name], False)


@pytest.mark.parametrize("name", BASES)
def test_an_image_with_nothing_but_a_system_and_python_is_a_base(name):
    image = parse_image(name)
    assert (image.contents, image.is_base) == ("", True)


@pytest.mark.parametrize("name", ["team.azurecr.io/trainer:7", "example.com/own-python-app", "not a name", ""])
def test_of_an_unknown_image_nothing_is_known(name):
    image = parse_image(name)
    assert (image.contents, image.is_base, image.is_windows) == ("", False, False)


@pytest.mark.parametrize(
    "name",
    [
        *("python:3.12-windowsservercore-ltsc2022", "mcr.microsoft.com/windows/servercore:ltsc2022"),
        *("mcr.microsoft.com/windows/nanoserver:1809", "mcr.microsoft.com/windows:20H2"),
        "mcr.microsoft.com/powershell:nanoserver-1809",
    ],
)
def test_an_image_of_windows_is_known(name):
    assert parse_image(name).is_windows


@pytest.mark.parametrize("name", ["python:3.12", "ubuntu", "pytorch/pytorch"])
def test_an_image_of_linux_is_not_taken_for_one_of_windows(name):
    assert not parse_image(name).is_windows
