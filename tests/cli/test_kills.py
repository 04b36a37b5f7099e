#!/usr/bin/env python3
"""Kills training runs and resumes them: they must end in the same bytes as a run that nobody disturbed.

usage: test_kills.py PROGRAM SOURCE_FOLDER
"""
import pathlib
import random
import signal
import sys
import time
import unittest

from training_run import TrainingRun, small_config

KILLS = 20


class Kills(TrainingRun):
    PROGRAM, CONFIG = pathlib.Path(sys.argv[1]).resolve(), small_config(pathlib.Path(sys.argv[2]).resolve())

    def untimed_metrics(self, run):
        return [{k: v for k, v in line.items() if k not in ("seconds", "tasks_per_second")}
                for line in self.metrics(run)]

    def checkpoints(self, run):
        # What a kill cuts short while it is written has another ending, and is written over by the next.
        return {file.name: file.read_bytes() for file in (self.folder / run / "checkpoints").glob("*.safetensors")}

    def test_killed_run_ends_in_the_same_bytes(self):
        self.finish("whole")
        last = self.folder / "run/checkpoints/last.safetensors"
        chance = random.Random(1)
        unfinished = 0
        for _ in range(KILLS):
            before = last.stat().st_mtime_ns if last.exists() else None
            process = self.start("run")
            # From the first checkpoint of this call on, at a random moment of the next few.
            while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            process.communicate(timeout=60)
            unfinished += process.returncode == -signal.SIGKILL
        self.assertGreater(unfinished, 5, "the run ended before most of the kills: make it longer")
        self.finish("run")
        self.assertEqual(self.checkpoints("run"), self.checkpoints("whole"))
        self.assertEqual(self.untimed_metrics("run"), self.untimed_metrics("whole"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
