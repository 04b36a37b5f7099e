"""What pip is told to build with, and what it built."""

import importlib.util
import re

import pytest
from conftest import ROOT

import ufo_maml

pytest.importorskip("scikit_build_core")


@pytest.fixture
def backend():
    specification = importlib.util.spec_from_file_location("build_backend", ROOT / "python/build_backend.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_pip_builds_against_the_torch_that_is_installed(backend):
    import torch
    assert str(backend.installed_torch()) == str(torch.__path__[0])
    assert not any(word.startswith("torch") for word in backend.with_torch(["ninja"]))


def test_pip_fetches_the_required_torch_where_there_is_none(backend, monkeypatch):
    monkeypatch.setattr(backend, "installed_torch", lambda: None)
    assert backend.with_torch(["ninja"]) == ["ninja", "torch==2.11.*"]


def test_the_version_is_the_programs():
    text = (ROOT / "CMakeLists.txt").read_text()
    assert ufo_maml.__version__ == re.search(r"project\(UfoMaml VERSION ([0-9.]+)", text).group(1)
