#!/usr/bin/env python3
"""Memory that does not grow: a run of 20,000 outer steps ends within 2% of what it held after 1,000.

usage: test_memory.py PROGRAM SOURCE_FOLDER
"""
import pathlib
import sys
import time
import unittest

from training_run import TrainingRun, small_config

STEPS, SETTLED, GROWTH = 20000, 1000, 1.02


class Memory(TrainingRun):
    PROGRAM = pathlib.Path(sys.argv[1]).resolve()
    CONFIG = small_config(pathlib.Path(sys.argv[2]).resolve())
    CONFIG["outer"]["steps"] = STEPS
    CONFIG["validation"]["every"] = 1000
    CONFIG["checkpoint_every"] = 500

    def resident(self, process):
        """In KiB; None once the process has gone."""
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return None
        return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), None)

    def step(self):
        """The last outer step in metrics.jsonl, which is written every second and before each checkpoint."""
        metrics = self.folder / "run/metrics.jsonl"
        return sum(1 for line in metrics.read_text().splitlines() if '"train"' in line) if metrics.exists() else 0

    def test_a_long_run_holds_no_more_than_a_short_one(self):
        process = self.start("run")
        while process.poll() is None and self.step() < SETTLED:
            time.sleep(0.02)
        settled = last = self.resident(process)
        self.assertIsNotNone(settled, "the run was over before it could be looked at")
        while process.poll() is None:
            last = self.resident(process) or last
            if self.step() <= 2 * SETTLED:  # the smallest of a while: what start-up left is given back in its own time
                settled = min(settled, last)
            time.sleep(0.02)
        self.assertEqual(process.wait(), 0, process.stderr.read())
        print(f"resident after {SETTLED} steps {settled} KiB, at the end {last} KiB: {last / settled:.4f}")
        self.assertLess(last, GROWTH * settled)
        self.assertEqual(self.step(), STEPS)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
