#!/usr/bin/env python3
"""Trains in one, two and four processes: they must learn the same, and one that dies must end the others.

usage: test_processes.py PROGRAM SOURCE_FOLDER
"""
import array
import json
import pathlib
import signal
import sys
import time
import unittest

from training_processes import TrainingProcesses
from training_run import small_config

# With few rectifiers hardly any value lies so near zero that rounding decides on which side, and runs of three processes,
# which add in another order, stay together.
MODEL = {"name": "mlp", "hidden": [16]}
TIMES = ("seconds", "tasks_per_second")


class Processes(TrainingProcesses):
    PROGRAM = pathlib.Path(sys.argv[1]).resolve()
    CONFIG = {**small_config(pathlib.Path(sys.argv[2]).resolve()), "model": MODEL,
              "inner": {"steps": 2, "learning_rate": 0.1}, "outer": {"meta_batch": 8, "steps": 20},
              "validation": {"every": 10, "tasks": 5, "keep": 2}}

    def tensors(self, run):
        """The float32 tensors of `last` by their names."""
        content = (self.folder / run / "checkpoints/last.safetensors").read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        header.pop("__metadata__")
        return {name: array.array("f", content[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]])
                for name, entry in header.items() if entry["dtype"] == "F32"}

    def assert_near(self, a, b, tolerance, what):
        self.assertLessEqual(abs(a - b), tolerance * max(1, abs(a)), f"{what}: {a} and {b}")

    def assert_same_training(self, run, other):
        lines, others = self.metrics(run), self.metrics(other)
        self.assertEqual(len(lines), len(others))
        for line, another in zip(lines, others):
            self.assertEqual(line.keys(), another.keys())
            for key, value in line.items():
                if isinstance(value, float) and key not in TIMES:
                    exact = key == "accuracy" and line["split"] == "validation"
                    self.assert_near(value, another[key], 0 if exact else 1e-4, f"step {line['step']}: {key}")
                elif key not in TIMES:
                    self.assertEqual(value, another[key], f"step {line['step']}: {key}")
        tensors, other_tensors = self.tensors(run), self.tensors(other)
        self.assertEqual(tensors.keys(), other_tensors.keys())
        for name, values in tensors.items():
            scale = max(map(abs, values), default=0)
            difference = max((abs(a - b) for a, b in zip(values, other_tensors[name])), default=0)
            self.assertLessEqual(difference, 1e-4 * scale, name)

    def checkpoint(self, run):
        return (self.folder / run / "checkpoints/last.safetensors").read_bytes()

    def test_one_two_and_four_processes_end_in_the_same_bytes(self):
        for estimator, q, sizes in (("ufo", "0.3", (2, 4)), ("ufo", '"adaptive"', (4,)), ("exact", "1", (2,)),
                                    ("first_order", "1", (2,))):
            options = ["--set", f"meta_gradient.estimator={estimator}", "--set", f"meta_gradient.q={q}"]
            name = estimator + q.strip('"')
            self.train(name, 1, *options)
            for size in sizes:
                with self.subTest(estimator=estimator, q=q, size=size):
                    ends = self.train(f"{name} {size}", size, *options)
                    self.assert_same_training(name, f"{name} {size}")
                    self.assertEqual(self.checkpoint(name), self.checkpoint(f"{name} {size}"))
                    for _, output, errors in ends[1:]:
                        self.assertEqual((output, errors), ("", ""), "rank 0 alone has something to say")

    def test_convolutional_network_trains_the_same(self):
        options = ["--set", 'model={"name": "conv4", "filters": 4}', "--set", "outer.steps=3"]
        self.train("one", 1, *options)
        self.train("three", 3, *options)
        self.assert_same_training("one", "three")

    def test_mamlpp_trains_the_same_bytes(self):
        options = ["--set", 'model={"name": "conv4", "filters": 4, "blocks": 2, "batch_norm": "per_step"}', "--set",
                   'inner={"steps": 2, "rates": {"per": "layer_and_step", "learned": true}}', "--set", "outer.steps=6",
                   "--set", "outer.schedule=cosine", "--set", "outer.multi_step_loss=4"]
        self.train("one", 1, *options)
        self.train("two", 2, *options)
        self.assert_same_training("one", "two")
        self.assertEqual(self.checkpoint("one"), self.checkpoint("two"))

    def test_resumes_with_another_number_of_processes_which_need_no_common_folder(self):
        self.train("whole", 2)
        self.train("part", 2, "--set", "outer.steps=10")
        ends = self.outcomes(self.launch(lambda rank: "part" if rank == 0 else f"nothing{rank}", 3))
        self.assertEqual([code for code, _, _ in ends], [0, 0, 0], ends)
        self.assert_same_training("whole", "part")
        self.assertEqual(list(self.folder.glob("nothing*")), [])

    def wait_for_checkpoint(self, run, processes):
        last = self.folder / run / "checkpoints/last.safetensors"
        while not last.exists():
            for process in processes:
                self.assertIsNone(process.poll(), process.poll() and process.communicate()[1])
            time.sleep(0.01)

    def start_long_run(self, run, size=2):
        processes = self.launch(run, size, "--set", "outer.steps=1000000")
        self.wait_for_checkpoint(run, processes)
        return processes

    def assert_resumes(self, run):
        self.assertEqual(list((self.folder / run).rglob("*.tmp")), [], "a file half-written")
        step = self.metrics(run)[-1]["step"]
        self.train(run, 2, "--set", f"outer.steps={step + 5}")
        self.assertEqual(self.metrics(run)[-1]["step"], step + 5)

    def test_signal_to_any_process_saves_and_ends_all(self):
        for rank, number in ((0, signal.SIGINT), (1, signal.SIGTERM)):
            with self.subTest(rank=rank):
                run = f"signal{rank}"
                processes = self.start_long_run(run)
                processes[rank].send_signal(number)
                ends = self.outcomes(processes)
                self.assertEqual([code for code, _, _ in ends], [128 + number] * 2, ends)
                self.assertIn("stopped by", ends[0][2])
                self.assert_resumes(run)

    def test_killed_process_ends_the_others(self):
        for rank in (0, 1):
            with self.subTest(rank=rank):
                run = f"killed{rank}"
                processes = self.start_long_run(run)
                start = time.monotonic()
                processes[rank].kill()
                code, _, errors = self.outcomes([processes[1 - rank]])[0]
                self.assertLess(time.monotonic() - start, 60)
                self.assertEqual(code, 1, errors)
                self.assertRegex(errors, f"rank {1 - rank} of 2: .*--resume")
                self.outcomes([processes[rank]])
                if rank == 1:
                    self.assert_resumes(run)

    def test_other_world_sizes_are_refused_at_once(self):
        processes = self.launch("sizes", 2, variables_of=lambda rank: {"WORLD_SIZE": str(2 + rank)})
        start = time.monotonic()
        ends = self.outcomes(processes)
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual([code for code, _, _ in ends], [2, 2], ends)
        self.assertIn("WORLD_SIZE: need the same for all processes, got 2 for rank 0 and 3 for rank 1", ends[0][2])
        self.assertIn("WORLD_SIZE: need the same for all processes, got 3 for rank 1 and 2 for rank 0", ends[1][2])

    def test_process_that_hangs_ends_the_others(self):
        processes = self.start_long_run("hangs")
        start = time.monotonic()
        processes[1].send_signal(signal.SIGSTOP)
        code, _, errors = self.outcomes(processes[:1])[0]
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(code, 1, errors)
        self.assertIn("no sign of life", errors)
        processes[1].kill()
        self.outcomes(processes[1:])
        self.assert_resumes("hangs")

    def test_bad_variables_are_refused_in_one_line(self):
        for variables, message in (
                ({"WORLD_SIZE": "two"}, 'WORLD_SIZE: need a whole number from 1 to 1000000, got "two"'),
                ({"MASTER_PORT": "70000"}, 'MASTER_PORT: need a whole number from 1 to 65535, got "70000"'),
                ({"MASTER_ADDR": ""}, "need MASTER_ADDR for training in several processes, it is empty"),
                ({"WORLD_SIZE": "9", "LOCAL_WORLD_SIZE": "9"}, "outer.meta_batch: need at least a task for each of 9"),
        ):
            with self.subTest(variables=variables):
                code, _, errors = self.outcomes(self.launch("bad", 1, **{"WORLD_SIZE": "2", **variables}))[0]
                self.assertEqual(code, 2, errors)
                self.assertEqual(errors.count("\n"), 1, errors)
                self.assertIn(message, errors)

    def test_processes_with_different_configs_are_refused(self):
        ends = self.outcomes(self.launch("bad", 2, per_rank=lambda rank: ["--set", f"outer.steps={20 + rank}"]))
        self.assertEqual([code for code, _, _ in ends], [2, 2], ends)
        self.assertIn("outer.steps of rank 1 is not that of rank 0", ends[1][2])
        self.assertFalse((self.folder / "bad").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
