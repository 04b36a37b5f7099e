"""Do all compute the same meta-gradient? In float64, on the same weights and episodes."""

import os

from safetensors.torch import load_file
import torch

from . import dump
from .contestants import Dropped, Peer, run_ours
from .verify import difference, norm, recompute

BOUND = 1e-8
TASKS = 2


def episode(options, cell, estimator, folder):
    """(file, our meta-gradient or None, why not): weights and episodes as we draw them, random ones without us."""
    path = os.path.join(folder, "episode.safetensors")
    try:
        run_ours(options, "gradient", cell, estimator, "--dtype", "float64", "--output", path, tasks=TASKS)
        return path, dump.read(path).gradient, ""
    except Dropped as reason:
        dump.write(path, cell.random_episode(estimator, TASKS, torch.float64))
        return path, None, str(reason)


def peer_gradient(options, name, path, estimator, folder):
    output = os.path.join(folder, "gradient.safetensors")
    peer = Peer(options, name, name, path, estimator)
    try:
        peer.gradient(output)
        return load_file(output)
    finally:
        peer.close()


def check(options, cell, estimator, names, folder):
    """{contestant: |difference| / |gradient| against torch.func task by task, or the reason there is none}."""
    path, ours, reason = episode(options, cell, estimator, folder)
    reference, _ = recompute(dump.read(path, with_gradient=False), torch.float64)
    error = lambda gradient: norm(difference(gradient, reference)) / norm(reference)
    errors = {"ufo-maml": error(ours) if ours else reason}
    for name in names:
        try:
            errors[name] = error(peer_gradient(options, name, path, estimator, folder))
        except Dropped as dropped:
            errors[name] = str(dropped)
    return errors


def disagreeing(errors):
    """The contestants beyond the bound; one that gave no gradient is not among them."""
    return [name for name, error in errors.items() if not isinstance(error, str) and not error <= BOUND]
