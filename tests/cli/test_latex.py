#!/usr/bin/env python3
"""Compiles the LaTeX tables of two short runs: no error, and nothing wider than a line.

usage: test_latex.py PROGRAM SOURCE_FOLDER
"""
import pathlib
import shutil
import subprocess
import sys
import unittest

from training_run import TrainingRun, small_config

LATEX = shutil.which("pdflatex") or shutil.which("lualatex")
PACKAGES = ("booktabs.sty", "graphicx.sty")


def found(package):
    return subprocess.run(["kpsewhich", package], capture_output=True).returncode == 0


if not LATEX or not all(map(found, PACKAGES)):
    print(f"skipped: needs LaTeX with {', '.join(PACKAGES)}")
    sys.exit(77)

DOCUMENT = """\\documentclass{article}
\\usepackage{booktabs,graphicx}
\\begin{document}
%s
\\end{document}
"""


class Latex(TrainingRun):
    PROGRAM, CONFIG = pathlib.Path(sys.argv[1]).resolve(), small_config(pathlib.Path(sys.argv[2]).resolve())

    def program(self, *words):
        outcome = subprocess.run([self.PROGRAM, *words], cwd=self.folder, env=self.environment, capture_output=True,
                                 text=True, timeout=300)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        return outcome.stdout

    def test_tables_compile_and_fit_a_line(self):
        runs = ("a_run_of_a_long_name%", "another & run")
        for seed, run in enumerate(runs):
            self.program("train", "config.json", "--run-dir", run, "--set", f"seed={seed}", "--set", "outer.steps=4",
                         "--set", "episode.ways=5", "--set", "meta_gradient.estimator=exact",
                         "--set", f"inner.learning_rate={0.1 + 0.1 * seed}", "--set", f"outer.meta_batch={seed + 1}")
            self.program("evaluate", run, "--tasks", "4")
        table = self.program("table", *runs, "--published", "--paired", "--format", "latex")
        self.assertIn("inner.learning\\_rate", table)
        (self.folder / "table.tex").write_text(DOCUMENT % table)
        outcome = subprocess.run([LATEX, "-interaction=nonstopmode", "-halt-on-error", "table.tex"], cwd=self.folder,
                                 capture_output=True, text=True, errors="replace", timeout=120)
        self.assertEqual(outcome.returncode, 0, outcome.stdout[-2000:])
        self.assertNotIn("Overfull", outcome.stdout)
        self.assertNotIn("Missing character", outcome.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
