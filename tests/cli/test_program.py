#!/usr/bin/env python3
"""Runs the program as a user does, on good input and bad.

usage: test_program.py PROGRAM SOURCE_FOLDER
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

PROGRAM, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()

CONFIG = {
    "dataset": {"root": str(SOURCE / "data/omniglot")},
    "model": {"filters": 4},
    "episode": {"ways": 3},
    "meta_gradient": {"estimator": "first_order"},
    "outer": {"meta_batch": 2, "steps": 3},
    "validation": {"every": 0},
    "evaluation": {"tasks": 4, "queries": 2, "inner_steps": 1},
}


class ProgramTest(unittest.TestCase):
    """A folder to work in and the program to call."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}

    def config(self, **changes):
        path = self.folder / "config.json"
        path.write_text(json.dumps({**CONFIG, **changes}))
        return path

    def call(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=300)

    def train(self, *arguments, config=None):
        return self.call("train", config or self.config(), "--run-dir", self.folder / "run", *arguments)


class BadInput(ProgramTest):
    """Each time the program must exit with 2, say why in one line, and leave nothing behind."""

    def refused(self, result, *words):
        self.assertEqual(result.returncode, 2, result.stderr)
        lines = result.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def refused_training(self, result, *words):
        self.refused(result, *words)
        self.assertFalse((self.folder / "run").exists())

    def omniglot(self):
        """A writable copy of the archives."""
        root = self.folder / "omniglot"
        shutil.copytree(SOURCE / "data/omniglot", root)
        return root

    def test_missing_config(self):
        self.refused_training(self.train(config="nothing.json"), "nothing.json")

    def test_missing_data(self):
        self.refused_training(self.train("--set", "dataset.root=" + str(self.folder / "nowhere")), "nowhere")

    def test_truncated_archive(self):
        root = self.omniglot()
        archive = root / "images_background.zip"
        archive.write_bytes(archive.read_bytes()[:1_000_000])
        self.refused_training(self.train("--set", f"dataset.root={root}"), "images_background.zip")

    def test_class_with_19_drawings(self):
        root = self.omniglot()
        archive = root / "images_background.zip"
        with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(root / "less.zip", "w") as less:
            for entry in whole.infolist():
                if not (entry.filename.startswith("images_background/Greek/character03/") and
                        entry.filename.endswith("_07.png")):
                    less.writestr(entry, whole.read(entry))
        (root / "less.zip").replace(archive)
        self.refused_training(self.train("--set", f"dataset.root={root}"), "20", "19", "Greek/character03")

    def test_more_ways_than_classes(self):
        self.refused_training(self.train("--set", "episode.ways=5000"), "5000")

    def test_more_images_than_a_class_has(self):
        self.refused_training(self.train("--set", "episode.shots=15", "--set", "episode.queries=6"), "21", "20")

    def test_unknown_key(self):
        result = self.train(config=self.config(inner={"step": 1}))
        self.refused_training(result, "inner.step", "inner.steps")

    def test_unknown_key_of_set(self):
        self.refused_training(self.train("--set", "outer.stepz=1"), "outer.stepz", "outer.steps")

    def test_wrong_type(self):
        self.refused_training(self.train(config=self.config(episode={"ways": "five"})), "episode.ways", "five")

    def test_q_out_of_range(self):
        for q in ("0", "1.5", "-0.1"):
            self.refused_training(self.train("--set", f"meta_gradient.q={q}"), "meta_gradient.q", q)

    def test_broken_json(self):
        path = self.folder / "broken.json"
        path.write_text('{"seed": 1,\n "outer": }')
        self.refused_training(self.train(config=path), "broken.json")

    def test_cuda_where_there_is_none(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("this machine may have a CUDA device")
        self.refused_training(self.train("--device", "cuda"), "cuda")

    def test_unwritable_run_directory(self):
        (self.folder / "file").write_text("in the way")
        result = self.call("train", self.config(), "--run-dir", self.folder / "file" / "run")
        self.refused(result, "file")
        self.assertEqual((self.folder / "file").read_text(), "in the way")

    def test_run_directory_in_use_and_checkpoint_of_another_model(self):
        self.assertEqual(self.train().returncode, 0)
        before = (self.folder / "run/checkpoints/last.safetensors").read_bytes()
        self.refused(self.train(), "--resume")
        self.refused(self.train("--resume", "--set", "outer.learning_rate=0.5"), "outer.learning_rate")
        other = self.call("gradient", self.config(model={"filters": 5}), "--output", self.folder / "g.safetensors",
                          "--checkpoint", self.folder / "run/checkpoints/last.safetensors")
        self.refused(other, "blocks.0.conv.weight")
        self.assertFalse((self.folder / "g.safetensors").exists())
        self.assertEqual((self.folder / "run/checkpoints/last.safetensors").read_bytes(), before)

    def test_evaluate_without_a_run(self):
        self.refused(self.call("evaluate", self.folder / "nothing"), "nothing")

    def test_unknown_subcommand(self):
        self.refused(self.call("trian"), "trian")


class GoodInput(ProgramTest):
    """A run from start to table, killed and resumed on the way."""

    def test_train_evaluate_table(self):
        whole = self.call("train", self.config(), "--run-dir", self.folder / "whole")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        half = self.train("--set", "outer.steps=1")
        self.assertEqual(half.returncode, 0, half.stderr)
        rest = self.train("--resume")
        self.assertEqual(rest.returncode, 0, rest.stderr)
        last = "checkpoints/last.safetensors"
        self.assertEqual((self.folder / "whole" / last).read_bytes(), (self.folder / "run" / last).read_bytes())
        self.assertEqual(self.call("evaluate", self.folder / "run").returncode, 0)
        table = self.call("table", self.folder / "run", "--format", "json")
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertIn("FOMAML", table.stdout)

    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, *map(str, arguments)], cwd=self.folder, env=self.environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def test_stopped_and_killed_runs_end_in_the_same_bytes(self):
        config = self.config(outer={"meta_batch": 2, "steps": 300}, checkpoint_every=10)
        self.assertEqual(self.call("train", config, "--run-dir", self.folder / "whole").returncode, 0)
        run = ("train", config, "--run-dir", self.folder / "run", "--resume")
        last = self.folder / "run/checkpoints/last.safetensors"

        first = self.start(*run)
        while not last.exists() and first.poll() is None:
            time.sleep(0.002)
        first.send_signal(signal.SIGTERM)
        _, log = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 143, log)
        self.assertIn("--resume", log)
        for delay in (0.0, 0.01, 0.03):
            before = last.stat().st_mtime_ns
            process = self.start(*run)
            while last.stat().st_mtime_ns == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(delay)
            process.kill()
            process.communicate(timeout=60)
        self.assertEqual(self.call(*run).returncode, 0)
        self.assertEqual(last.read_bytes(), (self.folder / "whole/checkpoints/last.safetensors").read_bytes())

        def metrics(name):
            lines = [json.loads(line) for line in (self.folder / name / "metrics.jsonl").read_text().splitlines()]
            return [{k: v for k, v in line.items() if k not in ("seconds", "tasks_per_second")} for line in lines]

        self.assertEqual(metrics("run"), metrics("whole"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
