"""The other implementations, each written as its users would at their best.

Every module has `make(name, episode, estimator)`: a function without arguments that computes, from the weights and
tasks of a dump.Dump, the mean meta-gradient {name: array} of "first_order" or "exact".
"""

import importlib

import torch

MODULES = {
    "package": "package",
    "learn2learn": "learn2learn_maml",
    "higher": "higher_maml",
    "torchopt": "torchopt_maml",
    "functorch-vmap": "functorch_maml",
    "functorch-loop": "functorch_maml",
    "jax-vmap": "jax_maml",
    "jax-map": "jax_maml",
}

TITLES = {
    "package": "ufo_maml, the Python package",
    "learn2learn": "learn2learn",
    "higher": "higher",
    "torchopt": "TorchOpt",
    "functorch-vmap": "torch.func, vmap over tasks",
    "functorch-loop": "torch.func, loop over tasks",
    "jax-vmap": "JAX, jit and vmap over tasks",
    "jax-map": "JAX, jit and map over tasks",
}

EXACT_ALONE = ("torchopt",)  # its inner steps are always part of the graph


def has(name, estimator):
    """Whether the implementation has a form of its own for "first_order" or "exact"."""
    return estimator == "exact" or name not in EXACT_ALONE


def select(words):
    """The names that `words` mean: "jax" is all that start so. Raises ValueError for an unknown word."""
    names = []
    for word in words:
        found = [name for name in MODULES if name == word or name.startswith(word + "-")]
        if not found:
            raise ValueError(f"need peers of {', '.join(MODULES)}, got {word}")
        names += [name for name in found if name not in names]
    return names


def make(name, episode, estimator):
    module = importlib.import_module(f".{MODULES[name]}", __name__)
    step = module.make(name, episode, estimator)
    if not episode.theta["head.bias"].is_cuda:
        return step

    def synchronized():
        gradient = step()
        torch.cuda.synchronize()
        return gradient
    return synchronized
