#!/usr/bin/env python3
"""Starts the program with standard streams that are full or closed.

usage: test_streams.py PROGRAM SOURCE_FOLDER
"""
import contextlib
import json
import os
import pathlib
import pty
import shlex
import subprocess
import sys
import unittest

from training_run import TrainingRun, small_config


class Streams(TrainingRun):
    PROGRAM = pathlib.Path(sys.argv[1]).resolve()
    CONFIG = {**small_config(pathlib.Path(sys.argv[2]).resolve()), "outer": {"meta_batch": 2, "steps": 6},
              "validation": {"every": 3, "tasks": 4}, "log_every": 1}

    def outcome(self, arguments, redirections):
        """The exit code and standard error of the program called with a shell's redirections."""
        command = f"exec {shlex.quote(str(self.PROGRAM))} {arguments} {redirections}"
        process = subprocess.run(command, shell=True, cwd=self.folder, env=self.environment, capture_output=True,
                                 text=True, timeout=600)
        return process.returncode, process.stderr

    def test_output_that_cannot_be_written_is_a_failure_with_a_line(self):
        for arguments in ("config config.json", "data summary config.json", "--version", "train --help"):
            for redirection in (">/dev/full", ">&-"):
                with self.subTest(arguments=arguments, redirection=redirection):
                    code, errors = self.outcome(arguments, redirection)
                    self.assertEqual(code, 1)
                    self.assertIn("ufo-maml: standard output: cannot write", errors)

    def on_a_terminal(self, kind):
        """What a training run prints to standard error where that is a terminal of this kind."""
        master, terminal = pty.openpty()
        with subprocess.Popen([self.PROGRAM, "train", "config.json", "--run-dir", kind], cwd=self.folder,
                              env={**self.environment, "TERM": kind}, stdout=subprocess.DEVNULL, stderr=terminal) as process:
            os.close(terminal)
            text = b""
            with contextlib.suppress(OSError):  # EIO where the other side has gone
                while part := os.read(master, 4096):
                    text += part
        os.close(master)
        self.assertEqual(process.returncode, 0, text)
        return text

    def test_a_terminal_has_escapes_unless_it_is_dumb(self):
        self.assertIn(b"\033[K", self.on_a_terminal("xterm"))
        plain = self.on_a_terminal("dumb")
        self.assertNotIn(b"\033", plain)
        self.assertIn(b"step 6/6", plain)

    def test_closed_descriptors_are_not_taken_by_the_files_of_a_run(self):
        code, _ = self.outcome("train config.json --run-dir run", "<&- >&- 2>&-")
        self.assertEqual(code, 0)
        lines = (self.folder / "run/metrics.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in lines], [1, 2, 3, 3, 4, 5, 6, 6])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
