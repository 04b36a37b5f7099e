"""Calls of ufo-maml by the scripts."""

import json
import pathlib
import signal
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A call of the program failed; the message is the line it said why in, `code` its exit code."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class Program:
    """Calls ufo-maml. SIGINT and SIGTERM are left to it, so that a training can save its step."""

    def __init__(self, path):
        self.path, self.process, self.stopped_by = path, None, 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, number, _):
        self.stopped_by = number
        if number == signal.SIGTERM and self.process:  # a terminal sends SIGINT to both
            self.process.send_signal(number)

    def call(self, *arguments, show_errors=True):
        """Its standard output. Its log goes to ours, unless `show_errors` is false."""
        if not self.stopped_by:
            errors = None if show_errors else subprocess.PIPE
            self.process = subprocess.Popen([self.path, *map(str, arguments)], stdout=subprocess.PIPE, stderr=errors,
                                            text=True)
            output, log = self.process.communicate()
        if self.stopped_by:
            sys.exit(128 + self.stopped_by)
        if self.process.returncode != 0:
            message = (log or f"ufo-maml {arguments[0]} failed, see above").strip().splitlines()[-1]
            raise Failed(message, self.process.returncode)
        return output

    def train(self, config, folder, words):
        """Trains in the run directory `folder`, or goes on there; `words` are options of `train`."""
        resume = ["--resume"] if (folder / "config.json").exists() else []
        self.call("train", config, "--run-dir", folder, *resume, *words)


def find_program(path, device):
    """`path` where it is given, else the program of this checkout, which is built where it is not there."""
    if path:
        return path
    built = SOURCE / "build/release/ufo-maml"
    if not built.exists():
        cuda = ["--cuda"] if (device or "").startswith("cuda") else []
        subprocess.run([SOURCE / "scripts/setup", *cuda], check=True, stdout=sys.stderr)
    return built


def set_words(assignments):
    """PATH=VALUE each, as the program's --set."""
    return [word for assignment in assignments for word in ("--set", assignment)]


def metrics(folder):
    """The records of a run directory's metrics."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
