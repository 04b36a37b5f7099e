"""What the Python tests of the program share: a config of a second or two, and a way to run it."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest


def small_config(source):
    """On the repository's Omniglot, `source` being the repository."""
    return {
        "dataset": {"root": str(source / "data/omniglot")},
        "model": {"filters": 4},
        "episode": {"ways": 3},
        "meta_gradient": {"estimator": "ufo", "q": 0.3},
        "outer": {"meta_batch": 2, "steps": 400},
        "validation": {"every": 50, "tasks": 4, "keep": 3},
        "evaluation": {"queries": 2},
        "checkpoint_every": 5,
    }


def python_with_torch(source):
    """A Python that has torch and safetensors, or None."""
    has_both = "from importlib.util import find_spec as has; exit(not (has('torch') and has('safetensors')))"
    for python in (sys.executable, source / ".deps/peers/bin/python", shutil.which("python3")):
        if python and pathlib.Path(python).exists() and subprocess.run([python, "-c", has_both]).returncode == 0:
            return python
    return None


class TrainingRun(unittest.TestCase):
    """A temporary folder with config.json in it; PROGRAM and CONFIG are set by each test."""
    PROGRAM = CONFIG = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}
        (self.folder / "config.json").write_text(json.dumps(self.CONFIG))

    def start(self, run):
        return subprocess.Popen([self.PROGRAM, "train", "config.json", "--run-dir", run, "--resume"], cwd=self.folder,
                                env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self, run):
        process = self.start(run)
        _, log = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 0, log)

    def metrics(self, run):
        return [json.loads(line) for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
