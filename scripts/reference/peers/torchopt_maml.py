"""MAML by torchopt.MetaSGD, a task at a time."""

import torchopt
from torch.nn.functional import cross_entropy

from .module import Conv4Module, gradients


def make(name, episode, estimator):
    module = Conv4Module(episode.network, episode.theta)
    inner = torchopt.MetaSGD(module, lr=episode.inner.learning_rate)
    leaves = dict(module.named_parameters())  # backward() ends in these, whatever the inner loop puts in their place
    tasks = list(zip(*episode.tasks))

    def step():
        for parameter in leaves.values():
            parameter.grad = None
        start = torchopt.extract_state_dict(module, by="reference"), torchopt.extract_state_dict(inner, by="reference")
        for support_images, support_labels, query_images, query_labels in tasks:
            for _ in range(episode.inner.steps):
                inner.step(cross_entropy(module(support_images), support_labels))
            (cross_entropy(module(query_images), query_labels) / len(tasks)).backward()
            torchopt.recover_state_dict(module, start[0])
            torchopt.recover_state_dict(inner, start[1])
        return gradients(module)
    return step
