#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own reader: they must say what metrics.jsonl says.

usage: test_tensorboard.py PROGRAM SOURCE_FOLDER
"""
import math
import pathlib
import signal
import sys
import time
import unittest

from training_run import TrainingRun, small_config

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"skipped: needs the tensorboard package ({error})")
    sys.exit(77)

TAGS = {"loss": "{split}/loss", "accuracy": "{split}/accuracy", "gradient_norm": "train/gradient_norm", "q": "ufo/q",
        "d2_mean": "ufo/d2_mean", "v2_mean": "ufo/v2_mean"}


class TensorBoard(TrainingRun):
    PROGRAM, CONFIG = pathlib.Path(sys.argv[1]).resolve(), small_config(pathlib.Path(sys.argv[2]).resolve())

    def expected(self, run):
        """Tag to {step: value}, from metrics.jsonl."""
        curves = {}
        for line in self.metrics(run):
            for key, tag in TAGS.items():
                if line.get(key) is not None:
                    curves.setdefault(tag.format(split=line["split"]), {})[line["step"]] = line[key]
        return curves

    def check(self, run):
        events = EventAccumulator(str(self.folder / run / "tensorboard"), size_guidance={"scalars": 0})
        events.Reload()
        for tag, curve in self.expected(run).items():
            read = {event.step: event.value for event in events.Scalars(tag)}
            self.assertEqual(read.keys(), curve.keys(), tag)
            for step, value in curve.items():
                self.assertTrue(math.isclose(read[step], value, rel_tol=1e-6, abs_tol=1e-12), (tag, step))

    def test_holds_the_metrics(self):
        self.finish("whole")
        self.check("whole")

    def test_a_killed_and_resumed_run_has_each_step_once(self):
        process = self.start("run")
        last = self.folder / "run/checkpoints/last.safetensors"
        while process.poll() is None and not last.exists():
            time.sleep(0.001)
        time.sleep(0.05)
        process.kill()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGKILL, "the run ended before the kill: make it longer")
        self.finish("run")
        self.check("run")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
