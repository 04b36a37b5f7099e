"""bilevel against autograd through the unrolled inner loop, in float64."""

import threading

import pytest
import torch
from conftest import relative_error

import ufo_maml

ALPHA, STEPS = 0.1, 4
GENERATOR = torch.Generator().manual_seed(5)
MATRIX = torch.randn(6, 4, generator=GENERATOR, dtype=torch.float64)
TARGET = torch.randn(6, generator=GENERATOR, dtype=torch.float64)
HELD_OUT = torch.randn(6, generator=GENERATOR, dtype=torch.float64)


def ridge(theta, phi, *task):
    shift = task[0] if task else 0.0
    return (MATRIX @ phi - TARGET - shift).pow(2).mean() + (theta["decay"].exp() * phi.pow(4)).sum() + (
        theta["pull"] * phi).sum()


def held_out(theta, phi, *task):
    return (MATRIX @ phi - HELD_OUT).pow(2).mean().sqrt() + 0.1 * theta["decay"].pow(2).sum()


def variables():
    return {"decay": torch.linspace(-2, -1, 4, dtype=torch.float64), "pull": torch.tensor(0.3, dtype=torch.float64)}


def unrolled(theta, start, *task):
    """The outer loss, and its gradient by autograd through every step."""
    theta = {name: value.clone().requires_grad_() for name, value in theta.items()}
    phi = start(theta)
    for _ in range(STEPS):
        leaf = phi if phi.requires_grad else phi.requires_grad_()
        step, = torch.autograd.grad(ridge(theta, leaf, *task), leaf, create_graph=True)
        phi = leaf - ALPHA * step
    loss = held_out(theta, phi, *task)
    return loss, dict(zip(theta, torch.autograd.grad(loss, list(theta.values()), allow_unused=True)))


def start_from_pull(theta, *task):
    return theta["pull"] * torch.ones(4, dtype=torch.float64)


def flat(gradient):
    return torch.cat([gradient[name].reshape(-1) for name in ("decay", "pull")])


@pytest.mark.parametrize("memory", ["store_linearizations", "store_parameters", "recompute"])
@pytest.mark.parametrize("start", [None, start_from_pull])
def test_exact_equals_autograd_through_the_inner_loop(memory, start):
    zeros = torch.zeros(4, dtype=torch.float64)
    result = ufo_maml.bilevel(held_out, ridge, variables(), steps=STEPS, learning_rate=ALPHA,
                              initial=start or zeros, memory=memory)
    loss, expected = unrolled(variables(), start or (lambda theta: zeros.clone()))
    assert relative_error(flat(result.gradient), flat(expected)) < 1e-10
    assert result.loss == pytest.approx(float(loss.detach()), rel=1e-12)
    assert result.gradient["pull"].shape == ()


def test_theta_itself_is_where_phi_starts_unless_said_otherwise():
    theta = torch.linspace(-1, 1, 4, dtype=torch.float64)
    inner = lambda theta, phi: (MATRIX @ phi - TARGET).pow(2).mean() + phi.pow(4).sum()  # noqa: E731
    outer = lambda theta, phi: (MATRIX @ phi - HELD_OUT).pow(2).mean()  # noqa: E731
    leaf = theta.clone().requires_grad_()
    phi = leaf
    for _ in range(STEPS):
        phi = phi - 0.01 * torch.autograd.grad(inner(leaf, phi), phi, create_graph=True)[0]
    expected, = torch.autograd.grad(outer(leaf, phi), leaf)
    exact = ufo_maml.bilevel(outer, inner, theta, steps=STEPS, learning_rate=0.01).gradient
    assert relative_error(exact, expected) < 1e-10
    end = phi.detach().requires_grad_()
    found = ufo_maml.bilevel(outer, inner, theta, steps=STEPS, learning_rate=0.01, estimator="first_order").gradient
    assert relative_error(found, torch.autograd.grad(outer(leaf, end), end)[0]) < 1e-10


def test_ufo_is_exact_in_the_mean_over_its_coins():
    tasks = [torch.tensor(0.2 * task, dtype=torch.float64) for task in range(400)]

    def estimate(estimator):
        return ufo_maml.bilevel(held_out, ridge, variables(), steps=2, learning_rate=ALPHA, initial=start_from_pull,
                                tasks=tasks, estimator=estimator, keep_tasks=True)
    exact, base, ufo = estimate("exact"), estimate("first_order"), estimate(ufo_maml.Ufo(q=0.25, seed=2))
    each, corrected = ufo.statistics.task_gradients, 0
    for task in range(400):
        difference = each[task] - base.statistics.task_gradients[task]
        full = 4 * (exact.statistics.task_gradients[task] - base.statistics.task_gradients[task])
        coin = difference.norm() > 1e-12
        corrected += int(coin)
        assert torch.allclose(difference, full if coin else torch.zeros_like(full), rtol=1e-9, atol=1e-12)
    assert corrected == ufo.statistics.exact_tasks
    assert 60 < corrected < 140


def test_every_task_has_its_own_data():
    tasks = [torch.tensor(shift, dtype=torch.float64) for shift in (0.0, 1.0, 2.0)]
    result = ufo_maml.bilevel(held_out, ridge, variables(), steps=STEPS, learning_rate=ALPHA, initial=start_from_pull,
                              tasks=tasks)
    expected = [flat(unrolled(variables(), start_from_pull, task)[1]) for task in tasks]
    assert relative_error(flat(result.gradient), torch.stack(expected).mean(0)) < 1e-10


def test_an_exception_of_a_function_passes_through():
    def broken(theta, phi):
        raise KeyError("of the user's own")
    with pytest.raises(KeyError, match="of the user's own"):
        ufo_maml.bilevel(held_out, broken, variables(), steps=1, learning_rate=ALPHA, initial=start_from_pull)


def test_custom_functions_of_autograd_and_other_threads_are_no_trouble():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(context, gradient):
            x, = context.saved_tensors
            return gradient * 3 * x ** 2

    def inner(theta, phi):
        return Cube.apply(phi).sum() + (theta["pull"] * phi).pow(2).sum()
    results = []

    def work():
        results.append(flat(ufo_maml.bilevel(held_out, inner, variables(), steps=2, learning_rate=0.01,
                                             initial=start_from_pull).gradient))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("change, message", [
    ({"inner": lambda theta, phi: phi}, r"inner: need a loss of no dimension, got \[4\]"),
    ({"outer": lambda theta, phi: 1.0}, "outer: need a loss of no dimension, got float"),
    ({"inner": lambda theta, phi: torch.tensor(1.0)}, "inner: need a loss that depends on theta or phi"),
    ({"tasks": []}, "need at least one task, got none"),
    ({"estimator": ufo_maml.Partial()}, "this problem's variables have no blocks"),
    ({"steps": 0}, "inner.steps: need at least 1 and at most 1048576, got 0"),
    ({"theta": {"decay": torch.ones(2), "pull": torch.ones((), dtype=torch.int64)}}, "theta: need tensors of one floating"),
])
def test_what_cannot_be_is_refused(change, message):
    arguments = {"outer": held_out, "inner": ridge, "theta": variables(), "steps": 1, "learning_rate": ALPHA,
                 "initial": torch.zeros(4, dtype=torch.float64), **change}
    with pytest.raises(ValueError, match=message):
        ufo_maml.bilevel(**arguments)
