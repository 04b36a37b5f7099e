#!/usr/bin/env python3
"""The program, and scripts/gpu_check, on the simulated device.

usage: test_program.py PROGRAM SOURCE_FOLDER
"""
import json
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests/cli"))

from training_processes import TrainingProcesses  # noqa: E402
from training_run import small_config  # noqa: E402

TINY = ["model.filters=4", "outer.meta_batch=2", "validation.every=0", "evaluation.tasks=4", "evaluation.queries=2"]


class Program(TrainingProcesses):
    PROGRAM = pathlib.Path(sys.argv[1]).resolve()
    CONFIG = {**small_config(SOURCE), "device": "cuda:0", "model": {"name": "mlp", "hidden": [16]},
              "outer": {"meta_batch": 6, "steps": 12}, "validation": {"every": 6, "tasks": 5}}

    def call(self, *arguments):
        done = subprocess.run([self.PROGRAM, *map(str, arguments)], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def losses(self, run):
        return [line["loss"] for line in self.metrics(run)]

    def test_trains_and_evaluates_as_on_the_cpu(self):
        for device in ("cuda:0", "cpu"):
            self.train(device, 1, "--device", device)
            self.call("evaluate", device, "--device", device)
        for there, here in zip(self.losses("cuda:0"), self.losses("cpu"), strict=True):
            self.assertAlmostEqual(there, here, places=3)
        evaluation = json.loads((self.folder / "cuda:0/evaluation/test.json").read_text())
        self.assertEqual(len(evaluation["accuracy_after_step"]), evaluation["inner_steps"] + 1)

    def test_several_processes_learn_what_one_learns(self):
        self.train("one", 1)
        self.train("two", 2)
        for one, two in zip(self.losses("one"), self.losses("two"), strict=True):
            self.assertAlmostEqual(one, two, places=4)

    def test_benchmark_measures_the_device(self):
        measured = json.loads(self.call("benchmark", "config.json", "--steps", 3, "--json"))
        self.assertEqual(measured["hardware"], "simulated device")
        self.assertGreater(measured["peak_tensor_bytes"], 0)

    def test_gpu_check_prints_its_tables(self):
        sets = [word for assignment in TINY for word in ("--set", assignment)]
        done = subprocess.run([sys.executable, SOURCE / "scripts/gpu_check", "--program", self.PROGRAM, "--steps", "2",
                               "--outer-steps", "3", *sets], env=self.environment, capture_output=True, text=True, timeout=500)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("simulated device", done.stdout)
        for method in ("FOMAML", "MAML", "UFO-MAML (q=0.1)"):
            self.assertIn(f"| omniglot_5way_1shot | {method} | yes | ATen's |", done.stdout)
        self.assertRegex(done.stdout, r"\| omniglot_5way_1shot \| 3 \| \d+ \| \d+\.\d\d ± ")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
