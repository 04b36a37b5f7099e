"""Meta-gradients by JAX, compiled whole: tasks batched by vmap, or one after another by lax.map.

The convolution gathers its k*k shifted inputs and multiplies them by the weights. On CPUs that is faster than
lax.conv_general_dilated, which vmap over the weights turns into a grouped convolution. Images are NHWC, weights HWIO.
"""

import jax
import jax.numpy as jnp
from jax import lax

from ..networks import count


def make(name, episode, estimator):
    jax.config.update("jax_enable_x64", str(episode.dtype) == "torch.float64")
    wanted = "gpu" if episode.theta["head.bias"].is_cuda else "cpu"
    if jax.default_backend() != wanted:
        raise RuntimeError(f"JAX: need a {wanted}, found {jax.default_backend()}")
    as_jax = lambda tensor: jnp.asarray(tensor.cpu().numpy())
    theta = {key: to_jax_layout(as_jax(value)) for key, value in episode.theta.items()}
    images = lambda tensor: jnp.transpose(as_jax(tensor), (0, 1, 3, 4, 2))
    support_images, support_labels, query_images, query_labels = episode.tasks
    tasks = (images(support_images), as_jax(support_labels), images(query_images), as_jax(query_labels))
    estimate = {"first_order": first_order, "exact": exact}[estimator]
    by_task = by_vmap if name == "jax-vmap" else by_map

    @jax.jit
    def gradient(theta, tasks):
        batch = by_task(lambda task: estimate(episode.network, episode.inner, theta, task), tasks)
        return {key: from_jax_layout(value.mean(0)) for key, value in batch.items()}

    return lambda: jax.block_until_ready(gradient(theta, tasks))


def by_vmap(function, tasks):
    return jax.vmap(function)(tasks)


def by_map(function, tasks):
    return lax.map(function, tasks)


def to_jax_layout(value):
    return jnp.transpose(value, (2, 3, 1, 0)) if value.ndim == 4 else value


def from_jax_layout(value):
    return jnp.transpose(value, (3, 2, 0, 1)) if value.ndim == 4 else value


def convolution(x, weight, stride):
    kernel, _, channels, filters = weight.shape
    padding, height, width = kernel // 2, (x.shape[1] - 1) // stride + 1, (x.shape[2] - 1) // stride + 1
    padded = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    shifted = [padded[:, i:i + (height - 1) * stride + 1:stride, j:j + (width - 1) * stride + 1:stride]
               for i in range(kernel) for j in range(kernel)]
    columns = jnp.concatenate(shifted, -1).reshape(-1, kernel * kernel * channels)
    return (columns @ weight.reshape(-1, filters)).reshape(-1, height, width, filters)


def block(network, theta, prefix, x):
    x = convolution(x, theta[prefix + "conv.weight"], network.stride) + theta[prefix + "conv.bias"]
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    x = (x - mean) * lax.rsqrt(variance + network.batch_norm_eps)
    x = jax.nn.relu(x * theta[prefix + "norm.weight"] + theta[prefix + "norm.bias"])
    if network.pool:
        images, height, width, filters = x.shape
        x = x[:, :height // 2 * 2, :width // 2 * 2]
        x = x.reshape(images, height // 2, 2, width // 2, 2, filters).max((2, 4))
    return x


def logits(network, theta, x):
    for i in range(count(theta, "blocks.{}.conv.weight")):
        x = block(network, theta, f"blocks.{i}.", x)
    features = jnp.transpose(x, (0, 3, 1, 2)).reshape(len(x), -1) if network.pool else x.mean((1, 2))
    return features @ theta["head.weight"].T + theta["head.bias"]


def loss(theta, network, images, labels):
    scores = jax.nn.log_softmax(logits(network, theta, images))
    return -jnp.take_along_axis(scores, labels[:, None], 1).mean()


def adapt(network, inner, theta, task):
    phi = theta
    for _ in range(inner.steps):
        gradient = jax.grad(loss)(phi, network, task[0], task[1])
        phi = {key: phi[key] - inner.learning_rate * gradient[key] for key in phi}
    return phi


def first_order(network, inner, theta, task):
    return jax.grad(loss)(adapt(network, inner, theta, task), network, task[2], task[3])


def exact(network, inner, theta, task):
    objective = lambda theta: loss(adapt(network, inner, theta, task), network, task[2], task[3])
    return jax.grad(objective)(theta)
