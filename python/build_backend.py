"""scikit-build-core, told which torch to compile against: the one that lies where the package will be installed, or, where
there is none yet, one of the version that the package requires, which pip then brings into its build environment."""

import importlib.util
import os
import sysconfig
import tomllib
from pathlib import Path

from scikit_build_core import build as backend
from scikit_build_core.build import *  # noqa: F403  the hooks that need no torch

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def installed_torch():
    """The folder of the torch of the environment that installs, which pip hides from the build's sys.path; else of any
    that can be imported; else None."""
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        if (Path(folder) / "torch/include/ATen/ATen.h").exists():
            return Path(folder) / "torch"
    found = importlib.util.find_spec("torch")
    return Path(found.origin).parent if found else None


def with_torch(requirements):
    if installed_torch():
        return requirements
    return requirements + [word for word in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
                           if word.startswith("torch")]


def get_requires_for_build_wheel(config_settings=None):
    return with_torch(backend.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings=None):
    return with_torch(backend.get_requires_for_build_editable(config_settings))


def build_wheel(*arguments, **named):
    os.environ["LIBTORCH"] = str(installed_torch())
    return backend.build_wheel(*arguments, **named)


def build_editable(*arguments, **named):
    os.environ["LIBTORCH"] = str(installed_torch())
    return backend.build_editable(*arguments, **named)
