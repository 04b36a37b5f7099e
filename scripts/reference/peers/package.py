"""The engine of ufo-maml by its Python package: ufo_maml.meta_gradient, all tasks in one call."""

import ufo_maml


def make(name, episode, estimator):
    tasks, theta = episode.tasks, episode.theta
    ways, filters = len(theta["head.bias"]), len(theta["blocks.0.conv.bias"])
    network = ufo_maml.Network(
        "conv4", ways=ways, image=tuple(tasks.support_images.shape[2:]), filters=filters,
        downsampling="max_pool" if episode.network.pool else "stride", batch_norm_eps=episode.network.batch_norm_eps)
    flat = network.pack(theta)
    inner = {"steps": episode.inner.steps, "learning_rate": episode.inner.learning_rate}

    def step():
        estimate = ufo_maml.meta_gradient(network, flat, *tasks, inner=inner, estimator=estimator)
        return network.unpack(estimate.gradient)
    return step
