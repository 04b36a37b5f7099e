#!/usr/bin/env python3
"""Searches options of a config on a schedule of a few outer steps. Skipped (exit code 77) where there is no Optuna.

usage: test_sweep.py PROGRAM SOURCE_FOLDER
"""
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

if importlib.util.find_spec("optuna") is None:
    print("skipped: there is no Optuna (scripts/python installs it)")
    sys.exit(77)

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CELL = "omniglot_5way_1shot"
TINY = ["outer.steps=2", "outer.meta_batch=2", "model.filters=4", "validation.every=1", "validation.tasks=4",
        "evaluation.tasks=10", "evaluation.queries=2"]


class Sweep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cache = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cache.cleanup)
        cls.environment = {**os.environ, "XDG_CACHE_HOME": cache.name}
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.outcome = cls.sweep("whole", 3)

    @classmethod
    def command(cls, study, *words, sets=TINY):
        return [sys.executable, SOURCE / "scripts/sweep.py", SOURCE / f"configs/{CELL}_fomaml.json", "--program",
                PROGRAM, "--device", "cpu", "--study", cls.folder / study, *words,
                *[word for assignment in sets for word in ("--set", assignment)]]

    @classmethod
    def sweep(cls, study, trials, *words, search="inner.learning_rate=log:0.1..1", sets=TINY):
        command = cls.command(study, "--trials", str(trials), "--search", search, *words, sets=sets)
        return subprocess.run(command, env=cls.environment, capture_output=True, text=True, timeout=600)

    def answer(self, study):
        return json.loads((self.folder / study / "answer.json").read_text())

    def options(self, study):
        return [json.loads(path.read_text())["inner"]["learning_rate"]
                for path in sorted((self.folder / study).glob("trial_*/config.json"))]

    def test_finds_the_trial_of_the_best_validation_and_goes_on(self):
        self.assertEqual(self.outcome.returncode, 0, self.outcome.stderr)
        best = {}
        for path in (self.folder / "whole").glob("trial_*/metrics.jsonl"):
            records = map(json.loads, path.read_text().splitlines())
            best[int(path.parent.name[6:])] = max(r["accuracy"] for r in records if r["split"] == "validation")
        answer = self.answer("whole")
        self.assertEqual((answer["config"], answer["trials"]), (f"{CELL}_fomaml", 3))
        self.assertEqual(answer["validation_accuracy"], max(best.values()))
        self.assertEqual(best[answer["trial"]], max(best.values()))
        self.assertIn(f"best: trial {answer['trial']}", self.outcome.stdout)
        self.assertTrue(all(0.1 <= rate <= 1 for rate in self.options("whole")))
        self.sweep("parts", 1)
        self.assertEqual(self.sweep("parts", 3).returncode, 0)
        self.assertEqual(self.options("parts"), self.options("whole"))

    def test_goes_on_in_the_midst_of_a_trial(self):
        sets = ["outer.steps=60", *TINY[1:3], "validation.every=20", "validation.tasks=4"]
        search = ["--trials", "1", "--search", "inner.learning_rate=0.1,0.2"]
        process = subprocess.Popen(self.command("study", *search, sets=sets), env=self.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        metrics = self.folder / "study/trial_000/metrics.jsonl"
        while process.poll() is None and not metrics.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, log)
        begun = self.options("study")
        outcome = self.sweep("study", 1, search=search[-1], sets=sets)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertEqual(self.options("study"), begun)
        steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
        self.assertEqual(steps[-1], 60)

    def test_reproduce_takes_the_answer(self):
        command = [sys.executable, SOURCE / "scripts/reproduce", CELL, "--program", PROGRAM, "--runs",
                   self.folder / "runs", "--device", "cpu", "--answer", self.folder / "whole/answer.json",
                   *[word for assignment in TINY for word in ("--set", assignment)]]
        outcome = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=600)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        rate = self.answer("whole")["options"]["inner.learning_rate"]
        for method, expected in (("fomaml", rate), ("maml", 2.0)):
            config = json.loads((self.folder / f"runs/{CELL}_{method}/config.json").read_text())
            self.assertEqual(config["inner"]["learning_rate"], expected)
        self.assertIn(f"{CELL}_fomaml with inner.learning_rate={rate}, found by a sweep", outcome.stdout)

    def test_refuses_another_search_in_the_folder_and_bad_options(self):
        for words, text in (
            ({"search": "inner.learning_rate=log:0.1..2"}, "need a study of this search, found one of another"),
            ({"sets": ["outer.steps=3", *TINY[1:]]}, "need a study of this config, found one of another"),
            ({"search": "inner.learning_rate=2..1"}, "need PATH=LOW..HIGH, PATH=log:LOW..HIGH or PATH=A,B,C"),
            ({"sets": ["validation.every=0"]}, "need validation.every above 0"),
        ):
            outcome = self.sweep("whole", 4, **words)
            self.assertEqual(outcome.returncode, 2, outcome.stderr)
            self.assertIn(text, outcome.stderr.splitlines()[-1])
        outcome = self.sweep("other", 2, search="inner.learning_rat=1..2")
        self.assertEqual(outcome.returncode, 2, outcome.stderr)
        self.assertIn("inner.learning_rate", outcome.stderr.splitlines()[-1])
        self.assertFalse((self.folder / "other").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
