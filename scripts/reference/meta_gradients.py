"""Meta-gradients of few-shot learning by torch.func.

Inner problem: phi_0 = theta or what Inner.start makes of it and of the task, phi_{j+1} = phi_j - a_j * grad L_support(phi_j) for j < r. Outer objective: L_query(phi_r), or
the sum of w_j L_query(phi_j) over j = 1, ..., r. theta may hold learned rates a_j besides the network's parameters, as
"inner.rates." and the name of a parameter, of a layer, or "all", "body" or "head"; a number, or one an inner step. It may
also hold batch norm's parameters of inner step j > 0, as "inner.norm.<j>." and their names in the network, whose own are
those of step 0: step j and the query set after it take set j, and no step changes one. Or it holds what Adam carries from
task to task, "inner.adam.square." and the name of each parameter, and "inner.adam.weight": there an estimate has what
they have become.
"""

import math
import re
from collections import namedtuple
from functools import partial

import torch
from torch.func import grad, jvp, vjp

Task = namedtuple("Task", "support_images support_labels query_images query_labels")
"""[S, C, H, W], [S], [S', C, H, W], [S'] of one task, or the same with a leading axis of T tasks."""

Inner = namedtuple("Inner", "steps learning_rate adapt body head weights start decay norm optimizer batch",
                   defaults=("all", 0, 0, (), lambda theta, task: theta, 0, True, "gradient_descent", 0))
"""r and a; which part adapts: all, body or head; a of these where it is another one (not 0); w_1, ..., w_r, or nothing;
phi_0 as a function of theta without what belongs to the steps and of the task; b, where L_support has b |phi|^2 / 2 more;
whether batch norm's own parameters adapt; gradient_descent or adam, and how many support images a step sees (0: all)."""

RATES = "inner.rates."
SETS = "inner.norm."
ADAM = "inner.adam."
DECAY, EPSILON = 0.999, 1e-8  # of Adam (arXiv 1412.6980); beta1 is 0
NORM = re.compile(r"(^|\.)(norm|bn\d+|downsample\.1)\.(weight|bias)$")


def parameters(theta):
    """theta without what belongs to the inner steps."""
    return {name: value for name, value in theta.items() if not name.startswith((RATES, SETS, ADAM))}


def sets(theta):
    return {name: value for name, value in theta.items() if name.startswith(SETS)}


def set_prefix(theta, step):
    """Of the names of the set that inner step `step` takes; there are none such for step 0."""
    last = max((int(name.removeprefix(SETS).split(".")[0]) for name in sets(theta)), default=0)
    return f"{SETS}{min(step, last)}."


def enter(theta, phi, step):
    """phi with batch norm's parameters those of `step`."""
    prefix = set_prefix(theta, step)
    return phi | {name.removeprefix(prefix): value for name, value in theta.items() if name.startswith(prefix)}


def adapts(inner, name):
    """Whether inner steps change the parameter `name`."""
    part = "head" if name.startswith("head.") else "body"
    return inner.adapt in ("all", part) and (inner.norm or not NORM.search(name))


def rate_name(theta, name):
    """The learned rate of the parameter `name`; None where it has none."""
    part = "head" if name.startswith("head.") else "body"
    candidates = (name, name.rsplit(".", 1)[0], "all", part)
    return next((RATES + word for word in candidates if RATES + word in theta), None)


def rate(inner, theta, name, step):
    """a_step of the parameter `name`."""
    if not adapts(inner, name):
        return 0.0
    learned = rate_name(theta, name)
    if learned is None:
        return getattr(inner, "head" if name.startswith("head.") else "body") or inner.learning_rate
    value = theta[learned]
    return value[min(step, len(value) - 1)] if per_step(theta, learned) else value


def per_step(theta, learned):
    """Whether a learned rate has a value for each inner step; one a parameter has the parameter's own shape."""
    return theta[learned].dim() == 1 and learned.removeprefix(RATES) not in theta


def places(inner, task, step):
    """Of the support images that `step` sees, of images that lie class by class: in turn, one of each class before a second,
    and after the last the first again."""
    images = len(task.support_labels)
    each = math.ceil(images / (int(task.support_labels.max()) + 1))
    order = [place for first in range(each) for place in range(first, images, each)]
    return [order[(step * inner.batch + i) % images] for i in range(inner.batch)]


def support_gradient(loss, inner, phi, task, step=0):
    """grad L_support(phi) of inner step `step`, with weight decay."""
    whole = inner.batch == 0 or inner.batch >= len(task.support_labels)
    seen = slice(None) if whole else places(inner, task, step)
    gradient = grad(loss)(phi, task.support_images[seen], task.support_labels[seen])
    return {name: value + inner.decay * phi[name] for name, value in gradient.items()}


def adam(gradient, state):
    """(the direction of a step of Adam with beta1 = 0, its state after it), by the names of `state` in theta."""
    squares = {name: DECAY * state[f"{ADAM}square.{name}"] + (1 - DECAY) * value**2 for name, value in gradient.items()}
    weight = DECAY * state[ADAM + "weight"] + (1 - DECAY)
    direction = {name: value / ((squares[name] / weight).sqrt() + EPSILON) for name, value in gradient.items()}
    return direction, {f"{ADAM}square.{name}": value for name, value in squares.items()} | {ADAM + "weight": weight}


def walk(loss, inner, theta, task):
    """([(phi_0, where step 0 begins, grad L_support there), ..., (phi_r, None, None)], Adam's state after it)"""
    phi, path = inner.start(parameters(theta), task), []
    state = {name: value for name, value in theta.items() if name.startswith(ADAM)}
    for step in range(inner.steps):
        start = enter(theta, phi, step)
        gradient = support_gradient(loss, inner, start, task, step)
        path.append((phi, start, gradient))
        direction, state = adam(gradient, state) if inner.optimizer == "adam" else (gradient, state)
        phi = {name: start[name] - rate(inner, theta, name, step) * direction[name] for name in start}
    return path + [(phi, None, None)], state


def descent(loss, inner, theta, task):
    """The path of `walk`."""
    return walk(loss, inner, theta, task)[0]


def adapt(loss, inner, theta, task):
    """phi_r."""
    return descent(loss, inner, theta, task)[-1][0]


def query_gradient(loss, inner, phi, step, task):
    """w_step grad L_query(phi_step); None where it does not count."""
    if step < inner.steps and (step == 0 or not inner.weights):
        return None
    gradient = grad(loss)(phi, task.query_images, task.query_labels, task.support_images)
    weight = inner.weights[step - 1] if inner.weights else 1
    return {name: weight * value for name, value in gradient.items()}


def way_back(loss, inner, theta, task, product):
    """(d phi_0 / d theta)^T v_0 and the gradient by what belongs to the steps, of v_r = w_r grad L_query(phi_r) and
    v_j = v_{j+1} - product(phi_j, a_j v_{j+1}) + w_j grad L_query(phi_j), of whose first two terms set j gets its part."""
    path = descent(loss, inner, theta, task)
    v = query_gradient(loss, inner, path[-1][0], inner.steps, task)
    rates = {name: torch.zeros_like(value) for name, value in theta.items() if name.startswith(RATES)}
    own = {name: torch.zeros_like(value) for name, value in sets(theta).items()}
    for step, (phi, start, gradient) in reversed(list(enumerate(path[:-1]))):
        for name in v:
            learned = rate_name(theta, name)
            if learned is None or not adapts(inner, name):
                continue
            change = -gradient[name] * v[name]
            if per_step(theta, learned):
                rates[learned][min(step, len(rates[learned]) - 1)] += change.sum()
            else:
                rates[learned] += change if learned == RATES + name else change.sum()
        weighed = {name: rate(inner, theta, name, step) * value for name, value in v.items()}
        change = product(start, weighed)
        v = {name: v[name] - change[name] for name in v} if change is not None else v
        for name in own:
            if name.startswith(set_prefix(theta, step)):
                parameter = name.removeprefix(set_prefix(theta, step))
                own[name] = own[name] + v[parameter]
                v = v | {parameter: torch.zeros_like(v[parameter])}
        here = query_gradient(loss, inner, phi, step, task)
        v = {name: v[name] + here[name] for name in v} if here is not None else v
    _, through_start = vjp(lambda theta: inner.start(theta, task), parameters(theta))
    return through_start(v)[0] | own | rates


def first_order(loss, inner, theta, task):
    """G_FO: every Hessian is left out."""
    return way_back(loss, inner, theta, task, lambda phi, v: None)


def exact(loss, inner, theta, task):
    """G = d L_outer / d theta, through every inner step."""
    def objective(theta):
        path = descent(loss, inner, theta, task)
        query = lambda phi: loss(phi, task.query_images, task.query_labels, task.support_images)
        if not inner.weights:
            return query(path[-1][0])
        return sum(weight * query(phi) for weight, (phi, *_) in zip(inner.weights, path[1:]))
    return grad(objective)(theta)


def reptile(loss, inner, theta, task):
    """(theta - phi_r) / a, by gradient descent the sum of the r inner gradients (Nichol et al., arXiv 1803.02999, section
    4), and Adam's state at the end."""
    path, state = walk(loss, inner, theta, task)
    phi = path[-1][0]
    return {name: (theta[name] - phi[name]) / inner.learning_rate for name in parameters(theta)} | state


def kept_names(phi, base):
    """The parameters whose second derivatives the base "head" or a number of blocks keeps: those of the head and of as
    many blocks before it. A block is the first number in its parameters' names."""
    def block(name):
        return math.inf if name.startswith("head.") else int(re.search(r"\d+", name)[0])
    kept = sorted(set(map(block, phi)))[-1 - (0 if base == "head" else int(base)):]
    return {name for name in phi if block(name) in kept}


def partial_gradient(loss, inner, theta, task, base):
    """v_0 of v_r = grad L_query(phi_r), v_j = v_{j+1} - P H_j P a v_{j+1}, where P keeps the parameters of `base`."""
    if base == "first_order":
        return first_order(loss, inner, theta, task)
    kept = kept_names(inner.start(parameters(theta), task), base)
    project = lambda v: {name: value if name in kept else torch.zeros_like(value) for name, value in v.items()}
    gradient = lambda phi: support_gradient(loss, inner, phi, task)
    return way_back(loss, inner, theta, task, lambda phi, v: project(jvp(gradient, (phi,), (project(v),))[1]))


def ufo(loss, inner, theta, task, coin, q, base="first_order"):
    """G_B + coin / q * (G - G_B) (arXiv 2106.02487, there with G_B = G_FO), where G_B is the gradient of `base`."""
    estimate = partial_gradient(loss, inner, theta, task, base)
    if coin:
        full = exact(loss, inner, theta, task)
        estimate = {name: estimate[name] + (full[name] - estimate[name]) / q for name in theta}
    return estimate


ESTIMATORS = {"first_order": first_order, "classifier": first_order, "exact": exact, "reptile": reptile, "ufo": ufo, "partial": partial_gradient}


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
