"""The training of maml_omniglot.py by PyTorch's autograd, in the form of learn2learn: a task at a time, cloned, adapted,
differentiated through its inner step. The network, the episodes and the gradient are the same; compare the milliseconds.

python examples/maml_autograd.py [--steps 100]
"""

import argparse
import time

import omniglot
import torch
from maml_omniglot import FILTERS, INNER, META_BATCH, QUERIES, RATE, SHOTS, WAYS
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import ufo_maml


class Learner:
    """A module with parameters of its own, which stay functions of the module's."""

    def __init__(self, module):
        self.module, self.parameters = module, dict(module.named_parameters())

    def __call__(self, images):
        return functional_call(self.module, self.parameters, (images,))

    def adapt(self, loss):
        gradients = torch.autograd.grad(loss, list(self.parameters.values()), create_graph=True)
        self.parameters = {name: value - INNER["learning_rate"] * gradient
                           for (name, value), gradient in zip(self.parameters.items(), gradients)}


def make_module():
    """conv4 as a user of PyTorch writes it, with the initialisation of maml_omniglot.py: the same tensors in the same
    order under other names."""
    layers = []
    for channels in (1, FILTERS, FILTERS, FILTERS):
        layers += [torch.nn.Conv2d(channels, FILTERS, 3, 2, 1), torch.nn.BatchNorm2d(FILTERS, track_running_stats=False),
                   torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(FILTERS, WAYS))
    network = ufo_maml.Network("conv4", ways=WAYS, image=(1, 28, 28), filters=FILTERS)
    values = network.unpack(network.initial(seed=1)).values()
    module.load_state_dict(dict(zip(module.state_dict(), values, strict=True)))
    return module


def train(module, images, steps):
    optimizer, generator = torch.optim.Adam(module.parameters(), lr=RATE), torch.Generator().manual_seed(1)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        total = 0.0
        for support, labels, query, query_labels in zip(
                *omniglot.episodes(images, META_BATCH, WAYS, SHOTS, QUERIES, generator)):
            learner = Learner(module)
            for _ in range(INNER["steps"]):
                learner.adapt(cross_entropy(learner(support), labels))
            loss = cross_entropy(learner(query), query_labels) / META_BATCH
            loss.backward()
            total += float(loss.detach())
        optimizer.step()
        if step % 100 == 0 or step == steps:
            print(f"step {step}  loss {total:.3f}  {(time.perf_counter() - start) * 1e3 / step:.1f} ms a step", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    train(make_module(), omniglot.characters("background"), parser.parse_args().steps)


if __name__ == "__main__":
    main()
