"""Tests of plot.py on made-up data. Skipped (exit code 77) where there is no matplotlib."""

import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
SCRIPTS = Path(__file__).resolve().parents[1]
OWN_PYTHON = SCRIPTS.parent / ".deps" / "plots" / "bin" / "python"
if importlib.util.find_spec("matplotlib") is None:
    if OWN_PYTHON.exists() and Path(sys.prefix) != OWN_PYTHON.parents[1]:
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), *sys.argv])
    print("skipped: there is no matplotlib (scripts/plot --help installs it)")
    sys.exit(77)
sys.path.insert(0, str(SCRIPTS))
import plot  # noqa: E402

COUNTEREXAMPLE = {
    "family": {"optimum": 1.0, "first_order_limit": 2.0, "gradient_norm_at_first_order_limit": 0.3},
    "landscape": {"x": [-4, 0, 4], "first_task": [8, 0, 8], "second_task": [16, 4, 0], "meta_objective": [6, 1, 3]},
    "steps": [0, 1, 10],
    "estimators": [
        {"estimator": name, **q, "runs": [{"start": -1, "end": 1.5, "gradient_norms": [3, 1, 0.1 + run]}
                                          for run in range(2)]}
        for name, q in (("first_order", {}), ("ufo", {"q": 0.1}), ("exact", {}))
    ],
}
HYPERCLEANING = {
    "uncleaned_accuracy": 0.4, "oracle_accuracy": 0.6, "validation_only_accuracy": 0.5, "corrupted": [1, 0, 1],
    "runs": [
        {"estimator": name, **q, "weights": [0.1, 0.9, 0.4],
         "records": [{"step": step, "gradients": 30 * step, "test_accuracy": 0.5, "auc": auc}
                     for step, auc in ((0, None), (1, 0.8))]}
        for name, q in (("exact", {}), ("ufo", {"q": 0.5}), ("ufo", {"q": 0.1}), ("first_order", {}))
    ],
}
COST = {
    "path": "inner.steps",
    "rows": [{"value": value, "estimator": name, "memory": "recompute", "milliseconds_per_step": 3.0 * value,
              "peak_tensor_bytes": 1e6} for value in (1, 5) for name in ("exact", "ufo", "first_order")],
}
ADVICE = {
    "tasks": 8, "v2": 2.0,
    "bases": [{"base": base, "d2": d2, "share_of_v2": d2 / 2, "q": q, "cost_ratio": 1.5}
              for base, d2, q in (("first_order", 2.2, 1), ("head", 1.0, 0.8), (2, 0.1, 0.2))],
    "choices": [{"config": {"meta_gradient": options}, "gradient_calls": calls, "variance_times_cost": 8.0}
                for options, calls in (({"estimator": "exact"}, 4), ({"estimator": "first_order"}, 2),
                                       ({"estimator": "partial", "base": "head"}, 2),
                                       ({"estimator": "partial", "base": 2}, 2.2))],
}
METRICS = [
    {"step": 10, "split": "train", "accuracy": 0.3, "gradient_calls": 32, "hessian_products": 1},
    {"step": 20, "split": "train", "accuracy": 0.4, "gradient_calls": 32, "hessian_products": 4},
    {"step": 25, "split": "validation", "accuracy": 0.5},
    {"step": 30, "split": "train", "accuracy": 0.6, "gradient_calls": 30, "hessian_products": 0},
    {"step": 30, "split": "validation", "accuracy": 0.7},
]
EVALUATION = {"accuracy_after_step": [0.2, 0.9, 0.95], "interval_after_step": [0.01, 0.02, 0.01]}


class Plot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "data.json"
        self.run_folder = self.folder / "a_run"
        (self.run_folder / "evaluation").mkdir(parents=True)
        (self.run_folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in METRICS))
        (self.run_folder / "evaluation" / "test.json").write_text(json.dumps(EVALUATION))

    def draw(self, command, *inputs, output="figure.svg"):
        """The exit code, what was printed to standard error, and the figure's path."""
        err, figure = io.StringIO(), self.folder / output
        with contextlib.redirect_stderr(err):
            code = plot.main([command, *map(str, inputs), "-o", str(figure)])
        return code, err.getvalue(), figure

    def assert_draws(self, command, *inputs, words):
        code, err, figure = self.draw(command, *inputs)
        self.assertEqual((code, err), (0, ""))
        for word in words:
            self.assertIn(word, figure.read_text())

    def test_counterexample(self):
        self.file.write_text(json.dumps(COUNTEREXAMPLE))
        self.assert_draws("counterexample", self.file, words=["first-order", "UFO, q = 0.1", "outer step k"])

    def test_hypercleaning(self):
        self.file.write_text(json.dumps(HYPERCLEANING))
        self.assert_draws("hypercleaning", self.file, words=["UFO, q = 0.5", "test accuracy, %", "wrong label"])

    def test_cost(self):
        self.file.write_text(json.dumps(COST))
        self.assert_draws("cost", self.file, words=["exact, recompute", "inner steps r", "ms", "MB"])

    def test_advise(self):
        self.file.write_text(json.dumps(ADVICE))
        self.assert_draws("advise", self.file, words=["take exact", "head and last 2", "D² / V²", "over 8 tasks"])

    def test_curves(self):
        self.assert_draws("curves", self.run_folder, words=["a_run", "validation accuracy, %", "gradient calls"])

    def test_steps(self):
        self.assert_draws("steps", self.run_folder, words=["a_run", "inner step", "95% interval"])

    def test_help_names_every_figure(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), self.assertRaises(SystemExit) as end:
            plot.main(["--help"])
        self.assertEqual(end.exception.code, 0)
        for word in ("counterexample", "hypercleaning", "advise", "curves", "steps", "cost", "95% interval"):
            self.assertIn(word, out.getvalue())

    def test_writes_png(self):
        _, _, figure = self.draw("steps", self.run_folder, output="figure.png")
        self.assertEqual(figure.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_svg_is_the_same_each_time(self):
        first = self.draw("curves", self.run_folder, output="a.svg")[2].read_bytes()
        self.assertEqual(first, self.draw("curves", self.run_folder, output="b.svg")[2].read_bytes())

    def test_a_logged_step_stands_for_those_since_the_last(self):
        steps, calls, accuracies = plot.validation_curve(self.run_folder)
        self.assertEqual(steps, [25, 30])
        self.assertEqual(calls, [10 * 34 + 10 * 40 + 5 * 40, 10 * 34 + 10 * 40 + 10 * 30])
        self.assertEqual(accuracies, [50, 70])

    def test_refuses_what_is_missing_in_one_line(self):
        for command, given in (("cost", self.folder / "none.json"), ("curves", self.folder / "no_run"),
                               ("steps", self.folder / "no_run")):
            code, err, figure = self.draw(command, given)
            self.assertEqual(code, 2)
            self.assertIn(given.name, err)
            self.assertEqual(err.count("\n"), 1)
            self.assertFalse(figure.exists())

    def test_refuses_a_file_of_another_kind(self):
        self.file.write_text(json.dumps(COST))
        code, err, _ = self.draw("counterexample", self.file)
        self.assertEqual(code, 2)
        self.assertIn("counterexample needs", err)

    def test_refuses_a_run_without_validations(self):
        (self.run_folder / "metrics.jsonl").write_text(json.dumps(METRICS[0]) + "\n")
        code, err, _ = self.draw("curves", self.run_folder)
        self.assertEqual(code, 2)
        self.assertIn("need validations", err)


if __name__ == "__main__":
    unittest.main()
