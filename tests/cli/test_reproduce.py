#!/usr/bin/env python3
"""Reproduces one cell on a schedule of a few outer steps.

usage: test_reproduce.py PROGRAM SOURCE_FOLDER
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CELL = "omniglot_5way_1shot"
TINY = ["outer.steps=4", "outer.meta_batch=2", "model.filters=4", "validation.every=2", "validation.tasks=4",
        "evaluation.tasks=10", "evaluation.queries=2", "log_every=3"]


class Reproduce(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cache = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cache.cleanup)
        cls.environment = {**os.environ, "XDG_CACHE_HOME": cache.name}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runs = pathlib.Path(folder.name) / "runs"

    def command(self, *cells, sets=TINY):
        words = [word for assignment in sets for word in ("--set", assignment)]
        return [sys.executable, SOURCE / "scripts/reproduce", *cells, "--program", PROGRAM, "--runs", self.runs,
                "--device", "cpu", *words]

    def reproduce(self, *cells, sets=TINY):
        return subprocess.run(self.command(*cells, sets=sets), env=self.environment, capture_output=True, text=True,
                              timeout=600)

    def rows(self, outcome):
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in outcome.stdout.splitlines()
                if line.startswith("| " + CELL)]

    def times(self):
        files = [path for path in self.runs.rglob("*") if path.suffix in (".safetensors", ".json", ".jsonl")]
        return {path: path.stat().st_mtime_ns for path in files}

    def test_trains_evaluates_and_skips_what_is_finished(self):
        outcome = self.reproduce(CELL)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        rows = self.rows(outcome)
        self.assertEqual([row[1] for row in rows], ["FOMAML", "MAML", "UFO-MAML (q=0.1)"])
        self.assertEqual([row[5] for row in rows], ["98.30 ± 0.50", "98.70 ± 0.40", "–"])
        for row, method in zip(rows, ("fomaml", "maml", "ufo")):
            evaluation = json.loads((self.runs / f"{CELL}_{method}/evaluation/test.json").read_text())
            self.assertEqual(row[2].split(" ")[0], f"{100 * evaluation['accuracy']:.2f}")
            self.assertEqual(row[7], "4 of 60,000 outer steps")
        older = self.runs / f"{CELL}_maml/config.json"  # by a program that did not know all of today's options
        config = json.loads(older.read_text())
        del config["augmentation"]
        older.write_text(json.dumps(config))
        times = self.times()
        again = self.reproduce(CELL)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout, outcome.stdout)
        self.assertEqual(self.times(), times, "a finished run was touched")
        for method, other in (("ufo", ["--queries", "1"]), ("maml", ["--seed", "9"]),
                              ("fomaml", ["--checkpoint", "last"])):
            subprocess.run([PROGRAM, "evaluate", self.runs / f"{CELL}_{method}", *other], env=self.environment,
                           capture_output=True, check=True)
        self.assertEqual(self.reproduce(CELL).stdout, outcome.stdout, "an evaluation of another kind was taken")
        (self.runs / f"{CELL}_maml/evaluation/test.json").write_text("{")
        self.assertEqual(self.reproduce(CELL).stdout, outcome.stdout, "a damaged evaluation was taken")

    def test_evaluates_the_kept_checkpoints_of_mamlpp_together(self):
        outcome = self.reproduce(f"mamlpp/{CELL}")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        (row,) = self.rows(outcome)
        self.assertEqual((row[1], row[5]), ("MAML++, ensemble of 2 by logits", "99.47"))
        evaluation = json.loads((self.runs / f"{CELL}_mamlpp/evaluation/test_ensemble2_logits.json").read_text())
        self.assertEqual(row[2].split(" ")[0], f"{100 * evaluation['accuracy']:.2f}")
        times = self.times()
        self.assertEqual(self.reproduce(f"mamlpp/{CELL}").stdout, outcome.stdout)
        self.assertEqual(self.times(), times, "a finished run was touched")

    def test_goes_on_with_what_is_not_finished(self):
        self.assertEqual(self.reproduce(CELL).returncode, 0)
        (self.runs / f"{CELL}_maml/evaluation/test.json").unlink()
        longer = self.reproduce(CELL, sets=["outer.steps=6", *TINY[1:]])
        self.assertEqual(longer.returncode, 0, longer.stderr)
        self.assertEqual({row[7] for row in self.rows(longer)}, {"6 of 60,000 outer steps"})
        other = self.reproduce(CELL, sets=["outer.steps=6", *TINY[1:], "inner.steps=2"])
        self.assertEqual(other.returncode, 1, "runs of another config are there")
        self.assertIn("inner.steps: was 1, is now 2", other.stderr)

    def test_lets_a_training_save_its_step_when_it_is_stopped(self):
        command = self.command(CELL, sets=["outer.steps=100000", *TINY[1:]])
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        metrics = self.runs / f"{CELL}_fomaml/metrics.jsonl"
        while process.poll() is None and not metrics.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, log)
        self.assertTrue((metrics.parent / "checkpoints/last.safetensors").exists(), log)
        self.assertFalse((self.runs / f"{CELL}_maml").exists(), "it went on")

    def test_trains_once_a_seed_and_prints_a_row_for_all(self):
        outcome = self.reproduce(CELL, "--seeds", "1,2,3")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        rows = self.rows(outcome)
        self.assertEqual([row[1] for row in rows], ["FOMAML", "MAML", "UFO-MAML (q=0.1)"])
        for row, method in zip(rows, ("fomaml", "maml", "ufo")):
            folders = [self.runs / f"{CELL}_{method}{seed}" for seed in ("", "_seed2", "_seed3")]
            seeds = [json.loads((folder / "config.json").read_text())["seed"] for folder in folders]
            self.assertEqual(seeds, [1, 2, 3])
            accuracies = [json.loads((folder / "evaluation/test.json").read_text())["accuracy"] for folder in folders]
            self.assertTrue(row[2].startswith(f"{100 * sum(accuracies) / 3:.2f}"), row)
            self.assertIn("over 3 seeds", row[2])
        times = self.times()
        self.assertEqual(self.reproduce(CELL, "--seeds", "1").returncode, 0)
        self.assertEqual(self.times(), times, "the run of the config's own seed was made again")

    def test_refuses_seeds_and_answers_that_are_none(self):
        for words, text in ((["--seeds", "1,1"], "need different whole numbers as 1,2,3, got 1,1"),
                            (["--seeds", "one"], "got one"),
                            (["--answer", "none.json"], "none.json: need an answer of scripts/sweep, found none")):
            outcome = self.reproduce(CELL, *words)
            self.assertEqual(outcome.returncode, 2, outcome.stderr)
            self.assertIn(text, outcome.stderr)

    @unittest.skipIf((SOURCE / "data/mini_imagenet").exists(), "the images are there")
    def test_says_once_that_images_are_missing_and_goes_on(self):
        outcome = self.reproduce("mini_imagenet_5way_1shot", "mini_imagenet_5way_5shot", CELL)
        self.assertEqual(outcome.returncode, 1)
        self.assertEqual(outcome.stderr.count("without mini_imagenet: "), 1, outcome.stderr)
        self.assertEqual(len(self.rows(outcome)), 3)

    def test_refuses_an_unknown_option_before_it_trains(self):
        outcome = self.reproduce(CELL, sets=["outer.step=4"])
        self.assertEqual(outcome.returncode, 2)
        self.assertIn("outer.steps", outcome.stderr)
        self.assertFalse(self.runs.exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
