"""MAML and FOMAML by higher.innerloop_ctx, a task at a time."""

import higher
import torch
from torch.nn.functional import cross_entropy

from .module import Conv4Module, gradients


def make(name, episode, estimator):
    module = Conv4Module(episode.network, episode.theta)
    optimizer = torch.optim.SGD(module.parameters(), lr=episode.inner.learning_rate)
    tasks = list(zip(*episode.tasks))
    exact = estimator == "exact"

    def step():
        module.zero_grad(set_to_none=True)
        for support_images, support_labels, query_images, query_labels in tasks:
            with higher.innerloop_ctx(module, optimizer, copy_initial_weights=False,
                                      track_higher_grads=exact) as (learner, inner):
                for _ in range(episode.inner.steps):
                    inner.step(cross_entropy(learner(support_images), support_labels))
                loss = cross_entropy(learner(query_images), query_labels) / len(tasks)
                if exact:
                    loss.backward()
                else:  # the last weights are leaves: their gradient is the first-order one
                    accumulate(module, torch.autograd.grad(loss, list(learner.parameters())))
        return gradients(module)
    return step


def accumulate(module, gradient):
    for parameter, value in zip(module.parameters(), gradient):
        parameter.grad = value if parameter.grad is None else parameter.grad + value
