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
import subprocess
import sys
import unittest
import zipfile

from training_run import TrainingRun, python_with_torch, small_config

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
MODELS = {
    "strided": {},
    "strided_support": {"batch_norm": "support"},
    "flat": {"features": "flatten", "kernel": 5, "blocks": 2},
    "pooled": {"downsampling": "max_pool", "batch_norm_eps": 0.001},
    "pooled_support": {"downsampling": "max_pool", "batch_norm": "support"},
    "leaky": {"downsampling": "max_pool", "negative_slope": 0.1},
    "mlp": {"name": "mlp", "hidden": [7, 5]},
}
LEARNED_RATES = {"steps": 2, "learning_rate": 0.4, "rates": {"per": "layer", "learned": True}}
STEPS = 3
# Beside page.py: prints, for each run named, the log probabilities of the query images by its checkpoint, which is
# adapted here, and by the file that predict adapted. query.safetensors has the query images as support images.
DRIVER = f"""
import json, sys
import torch
from page import adapt, load
from safetensors import safe_open

def images_of(name):
    with safe_open(name + ".safetensors", "pt") as file:
        pixels = file.get_tensor("support.pixels")
        mean, deviation = (torch.tensor(json.loads(file.metadata()[key])) for key in ("mean", "deviation"))
    return ((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2)


found, query = {{}}, images_of("query")
for run in sys.argv[1:]:
    images = images_of(run)
    network, config = load(run + "/checkpoints/best.safetensors")
    adapt(network, images, torch.arange(len(images)) // 2, config["inner"]["learning_rate"], {STEPS})
    with torch.no_grad():
        found[run] = [one(query, images).log_softmax(1).tolist() for one in (network, load(run + ".safetensors")[0])]
print(json.dumps(found))
"""


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
                drawings = sorted(name for name in archive.namelist() if of_it in name and name.endswith(".png"))
                for i, drawing in enumerate(drawings[:5]):
                    path = self.folder / ("support" if i < 2 else "query") / str(character) / pathlib.Path(drawing).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(drawing))

    def call(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=self.folder, env=self.environment, timeout=600,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def probabilities(self, name, **options):
        """What predict prints of the query images after three outer steps of the config with these groups in place of
        its own; the run is called `name`, and its adapted file."""
        config = {**self.CONFIG, "outer": {"meta_batch": 2, "steps": 3}, "validation": {"every": 3, "tasks": 2},
                  **options}
        (self.folder / "config.json").write_text(json.dumps(config))
        self.call(PROGRAM, "train", "config.json", "--run-dir", name)
        table = self.call(PROGRAM, "predict", name, "--support", "support", "--query", "query", "--steps", STEPS,
                          "--save-adapted", name + ".safetensors")
        return [[float(text) for text in row[2:]] for row in list(csv.reader(io.StringIO(table)))[1:]]

    def compare(self, expected, logarithms):
        self.assertEqual(len(expected), 9)
        for row, found in zip(expected, logarithms, strict=True):
            for probability, logarithm in zip(row, found, strict=True):
                self.assertAlmostEqual(math.log(probability), logarithm, delta=1e-4)

    def test_the_code_of_the_page_gives_the_probabilities_of_predict(self):
        expected = {}
        for name, model in MODELS.items():
            expected[name] = self.probabilities(name, model={**self.CONFIG["model"], **model})
        expected["learned_rates"] = self.probabilities("learned_rates", inner=LEARNED_RATES)
        by_step = {**self.CONFIG["model"], "batch_norm": "per_step"}
        expected["by_step"] = self.probabilities("by_step", model=by_step, inner=LEARNED_RATES)
        self.call(PROGRAM, "predict", "strided", "--support", "query", "--save-adapted", "query.safetensors")
        found = json.loads(self.call(python_with_torch(SOURCE), "driver.py", *expected))
        for name, (adapted_here, adapted_before) in found.items():
            with self.subTest(name):
                self.compare(expected[name], adapted_before)
                if name in MODELS:  # the page's inner loop has one rate and one batch norm
                    self.compare(expected[name], adapted_here)


if __name__ == "__main__":
    if python_with_torch(SOURCE) is None:
        print("skipped: there is no Python with torch and safetensors here")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
