#!/usr/bin/env python3
"""Checks that the code in docs/extending.md is code that the tests compile and run."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ["tests/nn/extending_test.cpp", "tests/install/project/ridge.cpp", "tests/install/project/train_run.cpp",
           "tests/install/project/CMakeLists.txt"]


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def stands_in(block, source):
    return any(source[i:i + len(block)] == block for i in range(len(source) - len(block) + 1))


class Extending(unittest.TestCase):
    def test_every_block_of_code_stands_in_a_test(self):
        sources = [lines_of((ROOT / name).read_text()) for name in SOURCES]
        blocks = re.findall(r"```(?:cpp|cmake)\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.S)
        self.assertGreaterEqual(len(blocks), 5)
        for block in blocks:
            self.assertTrue(any(stands_in(lines_of(block), source) for source in sources),
                            f"need this code in one of {', '.join(SOURCES)}:\n{block}")

    def test_a_changed_line_is_found(self):
        self.assertTrue(stands_in(["b", "c"], ["a", "b", "c"]))
        self.assertFalse(stands_in(["b", "d"], ["a", "b", "c"]))


if __name__ == "__main__":
    unittest.main()
