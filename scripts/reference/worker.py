"""One peer in a process of its own: reads commands from standard input, answers each with one line of JSON.

python -m reference.worker PEER FILE ESTIMATOR DEVICE, where FILE is a dump with the weights and tasks. Commands:
  time N         N steps in turn: their milliseconds
  gradient OUT   one step: writes the mean meta-gradient to OUT
  memory         the peak of the resident memory, and its value before the first step, in bytes
"""

import json
import os
import sys
import time

import numpy
import torch

from . import dump, peers


def load(path, device):
    episode = dump.read(path, with_gradient=False)
    if device != "cpu":
        episode.theta = {name: value.to(device) for name, value in episode.theta.items()}
        episode.tasks = type(episode.tasks)(*(value.to(device) for value in episode.tasks))
    return episode


def peak_resident_bytes():
    """VmHWM of this process; getrusage's ru_maxrss would start at that of the process that spawned it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def timed(step, steps):
    milliseconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        milliseconds.append((time.perf_counter() - start) * 1e3)
    return milliseconds


def write_gradient(path, episode, gradient):
    def as_tensor(value):
        return value.detach().cpu() if isinstance(value, torch.Tensor) else torch.from_numpy(numpy.array(value))
    dump.write_tensors(path, {name: as_tensor(value) for name, value in gradient.items()})


def memory(before, device):
    peak = {"peak": peak_resident_bytes(), "before": before}
    if device != "cpu":
        jax = sys.modules.get("jax")  # each keeps count of its own memory
        peak["device"] = (jax.devices()[0].memory_stats()["peak_bytes_in_use"] if jax
                          else torch.cuda.max_memory_allocated())
    return peak


def main():
    name, path, estimator, device = sys.argv[1:]
    os.environ["JAX_PLATFORMS"] = "cpu" if device == "cpu" else "cuda"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    episode = load(path, device)
    step = peers.make(name, episode, estimator)
    before = peak_resident_bytes()
    for line in sys.stdin:
        command, *argument = line.split(maxsplit=1)
        if command == "time":
            answer = timed(step, int(argument[0]))
        elif command == "gradient":
            write_gradient(argument[0].strip(), episode, step())
            answer = None
        else:
            answer = memory(before, device)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
