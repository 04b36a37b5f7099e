#!/usr/bin/env python3
"""Builds small data sets by the data scripts, as their own tests do, and has the program verify and train on them.
Skipped (exit code 77) where there is no Pillow or numpy.

usage: test_built_data.py PROGRAM SOURCE_FOLDER
"""
import pathlib
import subprocess
import sys
import unittest

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / "data_scripts/tests"))
import folder  # noqa: E402

if folder.Image is None or folder.numpy is None:
    print("skipped: needs Pillow and numpy")
    sys.exit(77)
import test_get_cifar_few_shot  # noqa: E402
import test_get_tiered_imagenet  # noqa: E402

SETS = ["outer.steps=1", "outer.meta_batch=1", "episode.queries=1", "evaluation.queries=1", "validation.every=0"]


def program(*words):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=300)


class BuiltData(unittest.TestCase):
    def build(self, case, *arguments):
        case.setUp()
        self.addCleanup(case.doCleanups)
        code, _, err = case.run_script(*(argument(case) if callable(argument) else argument for argument in arguments))
        self.assertEqual(code, 0, err)
        return case.output

    def assert_reads(self, root, config, *classes):
        outcome = program("data", "verify", SOURCE / f"configs/{config}.json", "--set", f"dataset.root={root}")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        counts = [line.split()[1] for line in outcome.stdout.splitlines()
                  if line.split()[:1] in (["train"], ["validation"], ["test"])]
        self.assertEqual(counts, list(map(str, classes)), outcome.stdout)
        self.assertIn("all images are there and whole", outcome.stdout)

    def test_cifar_fs_is_read_and_its_config_trains(self):
        root = self.build(test_get_cifar_few_shot.FromArchive("test_downloads_once_and_keeps_the_archive"), "cifar_fs")
        config = "cifar_fs_5way_1shot_fomaml"
        self.assert_reads(root, config, 64, 16, 20)
        words = [word for assignment in [*SETS, f"dataset.root={root}"] for word in ("--set", assignment)]
        outcome = program("train", SOURCE / f"configs/{config}.json", "--run-dir", root.parent / "run", *words)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        (root / "splits.json").unlink()
        outcome = program("data", "verify", SOURCE / f"configs/{config}.json", "--set", f"dataset.root={root}")
        self.assertEqual(outcome.returncode, 2, "an unfinished folder was shuffled")

    def test_tiered_imagenet_is_read(self):
        case = test_get_tiered_imagenet.FromPickles("test_goes_on_where_it_was_stopped")
        root = self.build(case, lambda case: case.source)
        self.assert_reads(root, "tiered_imagenet_5way_1shot_maml", 2, 2, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
