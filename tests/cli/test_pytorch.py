#!/usr/bin/env python3
"""Runs the code of docs/pytorch.md on checkpoints and holds its probabilities against those of predict.

usage: test_pytorch.py PROGRAM SOURCE_FOLDER
"""
import csv
import io
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import zipfile

from training_run import TrainingRun, small_config

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
NETWORKS = {
    "strided": {},
    "strided_support": {"batch_norm": "support"},
    "flat": {"features": "flatten", "kernel": 5, "blocks": 2},
    "pooled": {"downsampling": "max_pool", "batch_norm_eps": 0.001},
    "pooled_support": {"downsampling": "max_pool", "batch_norm": "support"},
    "mlp": {"name": "mlp", "hidden": [7, 5]},
}
# usage: DRIVER.py RUN ADAPTED STEPS, beside page.py: prints the log probabilities of the support images by both ways
DRIVER = """
import json, sys
import torch
from page import adapt, load
from safetensors import safe_open

run, adapted, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
with safe_open(adapted, "pt") as file:
    pixels = file.get_tensor("support.pixels")
    mean, deviation = (torch.tensor(json.loads(file.metadata()[name])) for name in ("mean", "deviation"))
images = ((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2)
labels = torch.arange(len(images)) // 2
network, config = load(run + "/checkpoints/best.safetensors")
adapt(network, images, labels, config["inner"]["learning_rate"], steps)
with torch.no_grad():
    print(json.dumps([one(images, images).log_softmax(1).tolist() for one in (network, load(adapted)[0])]))
"""


def python_with_torch():
    """A Python that has torch and safetensors, or None."""
    for python in (sys.executable, SOURCE / ".deps/peers/bin/python", shutil.which("python3"), shutil.which("python")):
        if python and subprocess.run([python, "-c", "import torch, safetensors"], capture_output=True).returncode == 0:
            return python
    return None


def code_of_the_page():
    """Its definitions; the last block uses them on files of the reader's."""
    blocks = re.findall(r"```python\n(.*?)```", (SOURCE / "docs/pytorch.md").read_text(), re.S)
    return "\n".join(blocks[:-1])


class PyTorch(TrainingRun):
    CONFIG = small_config(SOURCE)

    def setUp(self):
        super().setUp()
        (self.folder / "page.py").write_text(code_of_the_page())
        (self.folder / "driver.py").write_text(DRIVER)
        with zipfile.ZipFile(SOURCE / "data/omniglot/images_evaluation.zip") as archive:
            for character in (1, 2, 3):
                of_it = f"/Atlantean/character{character:02}/"
                for drawing in sorted(name for name in archive.namelist() if of_it in name and name.endswith(".png"))[:2]:
                    path = self.folder / "support" / str(character) / pathlib.Path(drawing).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(drawing))

    def call(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=self.folder, env=self.environment, timeout=600,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_code_of_the_page_gives_the_probabilities_of_predict(self):
        python, steps = python_with_torch(), "3"
        for name, model in NETWORKS.items():
            with self.subTest(name):
                config = {**self.CONFIG, "model": {**self.CONFIG["model"], **model}, "outer": {"meta_batch": 2, "steps": 3},
                          "validation": {"every": 3, "tasks": 2}}
                (self.folder / "config.json").write_text(json.dumps(config))
                self.call(PROGRAM, "train", "config.json", "--run-dir", name)
                table = self.call(PROGRAM, "predict", name, "--support", "support", "--query", "support", "--steps", steps,
                                  "--save-adapted", name + ".safetensors")
                rows = list(csv.reader(io.StringIO(table)))[1:]
                self.assertEqual(len(rows), 6)
                for found in json.loads(self.call(python, "driver.py", name, name + ".safetensors", steps)):
                    for row, logarithms in zip(rows, found, strict=True):
                        for text, logarithm in zip(row[2:], logarithms, strict=True):
                            self.assertAlmostEqual(math.log(float(text)), logarithm, delta=1e-4, msg=row[0])


if __name__ == "__main__":
    if python_with_torch() is None:
        print("skipped: there is no Python with torch and safetensors here")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
