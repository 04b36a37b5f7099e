#!/usr/bin/env python3
"""Adds the weights of a short run to a folder of models, and evaluates and predicts with them.

usage: test_add_model.py PROGRAM SOURCE_FOLDER
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CELL = "omniglot_5way_1shot_maml"
TINY = ["outer.steps=2", "outer.meta_batch=2", "model.filters=4", "validation.every=1", "validation.tasks=4",
        "evaluation.tasks=10", "evaluation.queries=2"]


class AddModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.environment = {**os.environ, "XDG_CACHE_HOME": str(cls.folder / "cache")}
        cls.run_directory = cls.folder / "runs" / CELL
        sets = [word for assignment in TINY for word in ("--set", assignment)]
        cls.program("train", SOURCE / f"configs/{CELL}.json", "--run-dir", cls.run_directory, "--device", "cpu", *sets)
        cls.program("evaluate", cls.run_directory, "--device", "cpu")
        cls.models = cls.folder / "models"
        cls.models.mkdir()
        cls.outcome = cls.add()

    @classmethod
    def program(cls, *words):
        outcome = subprocess.run([PROGRAM, *words], env=cls.environment, capture_output=True, text=True, timeout=300)
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    @classmethod
    def add(cls, run=None, *words):
        command = [sys.executable, SOURCE / "scripts/add_model", run or cls.run_directory, "--models", cls.models,
                   "--program", PROGRAM, *words]
        return subprocess.run(command, env=cls.environment, capture_output=True, text=True, timeout=300)

    def refused(self, run, *texts):
        outcome = self.add(run, "--config", str(SOURCE / f"configs/{CELL}.json"))
        self.assertEqual((outcome.returncode, len(outcome.stderr.splitlines())), (2, 1), outcome.stderr)
        for text in texts:
            self.assertIn(text, outcome.stderr)
        self.assertEqual([path.name for path in self.models.iterdir()], [CELL])

    def copy(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(shutil.copytree(self.run_directory, pathlib.Path(folder.name) / "run"))

    def edit(self, path, **changes):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def test_writes_a_card_with_what_the_run_was_and_measured(self):
        self.assertEqual(self.outcome.returncode, 0, self.outcome.stderr)
        card = (self.models / CELL / "README.md").read_text()
        evaluation = json.loads((self.run_directory / "evaluation/test.json").read_text())
        provenance = json.loads((self.run_directory / "config.json").read_text())["provenance"]
        self.assertIn(f"{100 * evaluation['accuracy']:.2f} ± {100 * evaluation['interval']:.2f}% over 10 test", card)
        self.assertIn(f"| revision | {provenance['revision']} |", card)
        self.assertIn("| seed | 1 |", card)
        self.assertIn("| licence | MIT", card)
        trained = next(line for line in card.splitlines() if "ufo-maml train" in line)
        self.assertEqual({word for word in trained.split() if "=" in word}, set(TINY))

    def test_keeps_no_path_of_the_machine_and_no_optimizer(self):
        for path in (self.models / CELL).rglob("*"):
            if path.is_file():
                self.assertNotIn(str(SOURCE).encode(), path.read_bytes(), path)
        weights, whole = (folder / "checkpoints/best.safetensors"
                          for folder in (self.models / CELL, self.run_directory))
        self.assertNotIn(b"optimizer.", weights.read_bytes())
        self.assertLess(weights.stat().st_size, whole.stat().st_size)

    def test_the_model_measures_what_its_card_says(self):
        card = (self.models / CELL / "README.md").read_text()
        command = next(line for line in card.splitlines() if "ufo-maml evaluate" in line)
        words = shlex.split(command.replace(f"models/{CELL}", str(self.models / CELL)))[1:]
        self.program(*words, "--data", str(SOURCE / "data/omniglot"), "--device", "cpu")
        ours, its = (json.loads((folder / "evaluation/test.json").read_text())
                     for folder in (self.run_directory, self.models / CELL))
        self.assertEqual(its["task_accuracies"], ours["task_accuracies"])

    def test_refuses_runs_that_are_not_ready(self):
        run = self.copy()
        self.edit(run / "config.json", outer={**json.loads((run / "config.json").read_text())["outer"], "steps": 9})
        self.refused(run, "need a run trained to its end, 9 outer steps, found 2")
        run = self.copy()
        self.edit(run / "evaluation/test.json", checkpoint="last")
        self.refused(run, "need an evaluation of its best checkpoint")
        (run / "evaluation/test.json").unlink()
        self.refused(run, "test.json: need an evaluated run", "found none")
        run = self.copy()
        weights = run / "checkpoints/best.safetensors"
        weights.write_bytes(weights.read_bytes()[:-8])
        self.refused(run, "best.safetensors: need a checkpoint with its checksum, found a damaged file")

    def test_a_config_that_is_not_of_this_repository_is_refused(self):
        config = shutil.copy(SOURCE / f"configs/{CELL}.json", self.folder / "mine.json")
        outcome = self.add(None, "--name", "mine", "--config", config)
        self.assertEqual((outcome.returncode, len(outcome.stderr.splitlines())), (2, 1), outcome.stderr)
        self.assertIn("need a config of this repository", outcome.stderr)
        self.assertEqual([path.name for path in self.models.iterdir()], [CELL])

    def test_refuses_weights_that_must_not_be_passed_on(self):
        run = self.copy()
        config = json.loads((run / "config.json").read_text())
        self.edit(run / "config.json", dataset={**config["dataset"], "name": "mini_imagenet"})
        self.refused(run, "need a run on omniglot, found mini_imagenet, not ours to pass on")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
