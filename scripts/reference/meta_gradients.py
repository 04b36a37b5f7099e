"""Meta-gradients of few-shot learning by torch.func.

Inner problem: phi_0 = theta, phi_{j+1} = phi_j - a * grad L_support(phi_j) for j < r. Outer objective: L_query(phi_r).
"""

from collections import namedtuple
from functools import partial

import torch
from torch.func import grad

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


def ufo(loss, inner, theta, task, coin, q):
    """G_FO + coin / q * (G - G_FO) (arXiv 2106.02487)."""
    estimate = first_order(loss, inner, theta, task)
    if coin:
        full = exact(loss, inner, theta, task)
        estimate = {name: estimate[name] + (full[name] - estimate[name]) / q for name in theta}
    return estimate


ESTIMATORS = {"first_order": first_order, "exact": exact, "reptile": reptile, "ufo": ufo}


def task_gradients(estimator, loss, inner, theta, tasks, coins=(), q=1.0):
    """The estimate of each task stacked by name, [T, ...]; `tasks` has the leading axis. Only ufo reads coins and q."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"need an estimator of {', '.join(ESTIMATORS)}, got {estimator}")
    estimate = partial(ESTIMATORS[estimator], loss, inner, theta)
    rows = [Task(*row) for row in zip(*tasks)]
    if estimator == "ufo":
        if len(coins) != len(rows):
            raise ValueError(f"ufo: need one coin a task, {len(rows)}, got {len(coins)}")
        gradients = [estimate(row, coin, q) for row, coin in zip(rows, coins)]
    else:
        gradients = [estimate(row) for row in rows]
    return {name: torch.stack([gradient[name] for gradient in gradients]) for name in theta}


def mean_over_tasks(gradients):
    return {name: gradient.mean(0) for name, gradient in gradients.items()}
