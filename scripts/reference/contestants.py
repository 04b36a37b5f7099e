"""What takes turns in the benchmark: a peer's worker process, or runs of `ufo-maml benchmark`."""

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile


class Dropped(Exception):
    """A contestant that cannot go on, and why."""


def run_ours(options, command, cell, estimator, *arguments, tasks=None):
    """Standard output of `ufo-maml COMMAND` on the cell. Raises Dropped where it fails."""
    if not os.path.exists(options.binary):
        raise Dropped("not built (run scripts/setup)")
    line = [options.binary, command, cell.config, *arguments, *cell.overrides(estimator, tasks)]
    line += ["--set", f'device="{options.device}"']
    line += [word for value in options.set for word in ("--set", value)]
    # A shell stands between, or the kernel would count our own resident memory in the program's ru_maxrss.
    line = ["sh", "-c", '"$@"; exit $?', "sh", *line]
    result = subprocess.run(line, cwd=options.root, capture_output=True, text=True)
    if result.returncode:
        raise Dropped(f"exit code {result.returncode}: {(result.stderr.strip().splitlines() or ['no message'])[-1]}")
    return result.stdout


class Ours:
    """`ufo-maml benchmark`, a process a turn. A step is a whole outer step: sampling, meta-gradient, optimizer."""

    name = title = "ufo-maml"

    def __init__(self, options, cell, estimator):
        self.options, self.cell, self.estimator = options, cell, estimator
        self.peak = self.working = 0
        self.rates = []  # (gflops, gemm_gflops) of each turn

    def turn(self, steps):
        """Median milliseconds of a step."""
        text = run_ours(self.options, "benchmark", self.cell, self.estimator, "--json", "--steps", str(steps))
        try:
            answer = json.loads(text)
            self.peak = max(self.peak, answer["peak_resident_bytes"])
            self.working = max(self.working, answer["peak_tensor_bytes"])
            self.rates.append((answer["gflops"], answer["gemm_gflops"]))
            return answer["milliseconds_per_step"]
        except (ValueError, KeyError) as error:
            raise Dropped(f"unexpected output of benchmark --json: {error}") from error

    def warm_up(self):
        return self.turn(3)

    def close(self):
        pass


class Peer:
    """A worker process (worker.py) that lives as long as its cell. A step is the meta-gradient alone."""

    def __init__(self, options, name, title, episode_file, estimator):
        self.name, self.title, self.limit = name, title, options.slowest
        self.peak = self.working = 0
        self.rates = []
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reference.worker", name, episode_file, estimator, options.device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def ask(self, command, limit=None):
        """The worker's answer. Raises Dropped where it dies or takes longer than `limit` seconds."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died: the empty answer below says so
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise Dropped(f"over {limit:g} s")
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.errors.seek(0)
            message = self.errors.read().strip().splitlines() or [f"exit code {self.process.returncode}"]
            raise Dropped(message[-1])
        return json.loads(answer)

    def gradient(self, path):
        self.ask(f"gradient {path}", self.limit)

    def turn(self, steps):
        """Median milliseconds of a step."""
        return statistics.median(self.ask(f"time {steps}"))

    def warm_up(self):
        self.ask("time 1", self.limit)  # compiles, allocates
        return min(self.ask("time 2", self.limit))

    def close(self):
        """Ends the worker; its peak memory is known from here on."""
        if self.process.poll() is None:
            try:
                answer = self.ask("memory", 10)
                self.peak = answer["peak"]
                self.working = answer.get("device", answer["peak"] - answer["before"])
            except Dropped:
                self.process.kill()
        self.process.communicate()
        self.errors.close()
