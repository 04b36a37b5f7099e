"""MAML and FOMAML by learn2learn.algorithms.MAML: clone, adapt, backward, a task at a time."""

from learn2learn.algorithms.maml import MAML
from torch.nn.functional import cross_entropy

from .module import Conv4Module, gradients


def make(name, episode, estimator):
    maml = MAML(Conv4Module(episode.network, episode.theta), lr=episode.inner.learning_rate,
                first_order=estimator == "first_order")
    tasks = list(zip(*episode.tasks))

    def step():
        maml.zero_grad(set_to_none=True)
        for support_images, support_labels, query_images, query_labels in tasks:
            learner = maml.clone()
            for _ in range(episode.inner.steps):
                learner.adapt(cross_entropy(learner(support_images), support_labels))
            (cross_entropy(learner(query_images), query_labels) / len(tasks)).backward()
        return gradients(maml.module)
    return step
