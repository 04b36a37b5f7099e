#!/usr/bin/env python3
"""Writes gradients by the program and recomputes them by scripts/verify_gradient's Python.

usage: test_verify_gradient.py PROGRAM SOURCE_FOLDER
"""
import json
import pathlib
import subprocess
import sys
import unittest

from training_run import TrainingRun, python_with_torch, small_config

PROGRAM, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
LEARNED = {"per": "layer_and_step", "learned": True}
MAMLPP = {"model": {"filters": 4, "downsampling": "max_pool", "batch_norm": "per_step", "negative_slope": 0.01},
          "inner": {"steps": 3, "rates": LEARNED}, "outer": {"meta_batch": 2, "multi_step_loss": 10}}
DUMPS = {
    "mamlpp": {**MAMLPP, "meta_gradient": {"estimator": "exact"}},
    "mamlpp_first_order": {**MAMLPP, "meta_gradient": {"estimator": "first_order"}},
    "mamlpp_ufo": {**MAMLPP, "meta_gradient": {"estimator": "ufo", "q": 0.5}},
    "mamlpp_resnet12": {**MAMLPP, "model": {"name": "resnet12", "widths": [3, 4], "batch_norm": "per_step"},
                        "meta_gradient": {"estimator": "partial"}},
    "norm_held": {"inner": {"steps": 2, "norm": False, "rates": {"per": "run", "learned": True}},
                  "meta_gradient": {"estimator": "exact"}},
    "reptile_with_adam": {"episode": {"ways": 3, "shots": 2},
                          "inner": {"steps": 4, "learning_rate": 0.01, "optimizer": "adam", "batch": 4},
                          "meta_gradient": {"estimator": "reptile"}},
}


class VerifyGradient(TrainingRun):
    CONFIG = small_config(SOURCE)

    def test_recomputes_the_gradients_of_each_inner_loop(self):
        for name, options in DUMPS.items():
            config = {**self.CONFIG, "outer": {"meta_batch": 2}, **options}
            (self.folder / f"{name}.json").write_text(json.dumps(config))
            subprocess.run([PROGRAM, "gradient", f"{name}.json", "--dtype", "float64", "--output", f"{name}.safetensors"],
                           cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=600)
        done = subprocess.run([python_with_torch(SOURCE), "-m", "reference.verify", *(f"{name}.safetensors" for name in DUMPS)],
                              cwd=self.folder, env={**self.environment, "PYTHONPATH": str(SOURCE / "scripts")},
                              capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("passed: "), len(DUMPS))


if __name__ == "__main__":
    if python_with_torch(SOURCE) is None:
        print("skipped: there is no Python with torch and safetensors here")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
