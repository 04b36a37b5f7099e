#!/usr/bin/env python3
"""Kills training runs and resumes them: they must end in the same bytes as a run that nobody disturbed.

usage: test_kills.py PROGRAM SOURCE_FOLDER
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()

CONFIG = {
    "dataset": {"root": str(SOURCE / "data/omniglot")},
    "model": {"filters": 4},
    "episode": {"ways": 3},
    "meta_gradient": {"estimator": "ufo", "q": 0.3},
    "outer": {"meta_batch": 2, "steps": 400},
    "validation": {"every": 50, "tasks": 4},
    "evaluation": {"queries": 2},
    "checkpoint_every": 5,
}
KILLS = 20


class Kills(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}
        (self.folder / "config.json").write_text(json.dumps(CONFIG))

    def start(self, run):
        return subprocess.Popen([PROGRAM, "train", "config.json", "--run-dir", run, "--resume"], cwd=self.folder,
                                env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self, run):
        process = self.start(run)
        _, log = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, log)

    def metrics(self, run):
        lines = [json.loads(line) for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in ("seconds", "tasks_per_second")} for line in lines]

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
        for name in ("last", "best"):
            file = f"checkpoints/{name}.safetensors"
            self.assertEqual((self.folder / "run" / file).read_bytes(), (self.folder / "whole" / file).read_bytes())
        self.assertEqual(self.metrics("run"), self.metrics("whole"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
