"""Meta-gradients of few-shot learning by torch.func.

Inner problem: phi_0 = theta, phi_{j+1} = phi_j - a * grad L_support(phi_j) for j < r. Outer objective: L_query(phi_r).
"""

from collections import namedtuple
from functools import partial

import torch
from torch.func import grad, jvp

Task = namedtuple("Task", "support_images support_labels query_images query_labels")
"""[S, C, H, W], [S], [S', C, H, W], [S'] of one task, or the same with a leading axis of T tasks."""

Inner = namedtuple("Inner", "steps learning_rate")
"""r and a."""


def adapt(loss, inner, theta, task):
    """phi_r, by plain gradient descent on the support loss."""
    phi = theta
    for _ in range(inner.steps):
        gradient = grad(loss)(phi, task.support_images, task.support_labels)
        phi = {name: phi[name] - inner.learning_rate * gradient[name] for name in phi}
    return phi


def first_order(loss, inner, theta, task):
    """G_FO = grad L_query(phi_r)."""
    return grad(loss)(adapt(loss, inner, theta, task), task.query_images, task.query_labels, task.support_images)


def exact(loss, inner, theta, task):
    """G = d L_query(phi_r(theta)) / d theta, through every inner step."""
    def objective(theta):
        return loss(adapt(loss, inner, theta, task), task.query_images, task.query_labels, task.support_images)
    return grad(objective)(theta)


def reptile(loss, inner, theta, task):
    """(theta - phi_r) / a, the sum of the r inner gradients (Nichol et al., arXiv 1803.02999, section 4)."""
    phi = adapt(loss, inner, theta, task)
    return {name: (theta[name] - phi[name]) / inner.learning_rate for name in theta}


def kept_names(theta, base):
    """The parameters whose second derivatives the base "head" or a number of blocks keeps: those of the head and of as
    many blocks before it. A block's parameters are called block.*.parameter, in the order of the network."""
    blocks = []
    for name in theta:
        block = ".".join(name.split(".")[:1 if name.startswith("head.") else 2])
        if block not in blocks:
            blocks.append(block)
    kept = blocks[len(blocks) - 1 - (0 if base == "head" else int(base)):]
    return {name for name in theta if name.startswith(tuple(f"{block}." for block in kept))}


def partial_gradient(loss, inner, theta, task, base):
    """v_0 of v_r = grad L_query(phi_r), v_j = v_{j+1} - a P H_j P v_{j+1}, where P keeps the parameters of `base`."""
    if base == "first_order":
        return first_order(loss, inner, theta, task)
    kept = kept_names(theta, base)
    project = lambda v: {name: value if name in kept else torch.zeros_like(value) for name, value in v.items()}
    support_gradient = lambda phi: grad(loss)(phi, task.support_images, task.support_labels)
    states = [adapt(loss, Inner(steps, inner.learning_rate), theta, task) for steps in range(inner.steps + 1)]
    v = grad(loss)(states[-1], task.query_images, task.query_labels, task.support_images)
    for phi in reversed(states[:-1]):
        product = project(jvp(support_gradient, (phi,), (project(v),))[1])
        v = {name: v[name] - inner.learning_rate * product[name] for name in v}
    return v


def ufo(loss, inner, theta, task, coin, q, base="first_order"):
    """G_B + coin / q * (G - G_B) (arXiv 2106.02487, there with G_B = G_FO), where G_B is the gradient of `base`."""
    estimate = partial_gradient(loss, inner, theta, task, base)
    if coin:
        full = exact(loss, inner, theta, task)
        estimate = {name: estimate[name] + (full[name] - estimate[name]) / q for name in theta}
    return estimate


ESTIMATORS = {"first_order": first_order, "exact": exact, "reptile": reptile, "ufo": ufo, "partial": partial_gradient}


def task_gradients(estimator, loss, inner, theta, tasks, coins=(), q=1.0, base="first_order"):
    """The estimate of each task stacked by name, [T, ...]; `tasks` has the leading axis. Only ufo reads coins and q, only
    ufo and partial read base."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"need an estimator of {', '.join(ESTIMATORS)}, got {estimator}")
    estimate = partial(ESTIMATORS[estimator], loss, inner, theta)
    rows = [Task(*row) for row in zip(*tasks)]
    if estimator == "ufo":
        if len(coins) != len(rows):
            raise ValueError(f"ufo: need one coin a task, {len(rows)}, got {len(coins)}")
        gradients = [estimate(row, coin, q, base) for row, coin in zip(rows, coins)]
    elif estimator == "partial":
        gradients = [estimate(row, base) for row in rows]
    else:
        gradients = [estimate(row) for row in rows]
    return {name: torch.stack([gradient[name] for gradient in gradients]) for name in theta}


def mean_over_tasks(gradients):
    return {name: gradient.mean(0) for name, gradient in gradients.items()}
