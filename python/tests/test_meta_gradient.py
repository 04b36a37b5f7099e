"""meta_gradient against torch.func in float64, and what it does not depend on."""

import threading

import pytest
import torch
from conftest import CASES, TASKS, relative_error
from reference.meta_gradients import Inner, Task, mean_over_tasks, task_gradients
from reference.networks import cross_entropy

import ufo_maml

BOUND = 1e-10
ALPHA = 0.3


def expected(case, estimator, steps, **more):
    """The mean over the tasks by torch.func."""
    return case.network.pack(mean_over_tasks(each_expected(case, estimator, steps, **more)))


def each_expected(case, estimator, steps, **more):
    theta = case.network.unpack(case.theta)
    return task_gradients(estimator, cross_entropy(case.reference), Inner(steps, ALPHA), theta, Task(*case.episodes), **more)


def found(case, steps, **more):
    return ufo_maml.meta_gradient(case.network, case.theta, *case.episodes,
                                  inner={"steps": steps, "learning_rate": ALPHA}, **more)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("estimator", ["exact", "first_order"])
def test_equals_torch_func(case, estimator, steps):
    assert relative_error(found(case, steps, estimator=estimator).gradient, expected(case, estimator, steps)) < BOUND


@pytest.mark.parametrize("base", ["first_order", "head", 1])
def test_partial_keeps_the_second_derivatives_of_its_base(case, base):
    gradient = found(case, 2, estimator=ufo_maml.Partial(base)).gradient
    assert relative_error(gradient, expected(case, "partial", 2, base=str(base))) < BOUND


@pytest.mark.parametrize("memory", ["store_parameters", "recompute"])
def test_no_memory_mode_changes_the_exact_gradient(strided, memory):
    assert relative_error(found(strided, 3, memory=memory).gradient, found(strided, 3).gradient) < BOUND


@pytest.mark.parametrize("base", ["first_order", "head"])
def test_ufo_adds_the_correction_of_the_tasks_whose_coin_fell(base):
    case, q = CASES["strided"](tasks=8), 0.4
    estimate = found(case, 2, estimator=ufo_maml.Ufo(q=q, base=base, seed=3), keep_tasks=True)
    without, corrected = (each_expected(case, "ufo", 2, coins=[coin] * 8, q=q, base=base) for coin in (False, True))
    coins = []
    for task, gradient in enumerate(estimate.statistics.task_gradients):
        rows = [case.network.pack({name: value[task] for name, value in each.items()}) for each in (without, corrected)]
        errors = [relative_error(gradient, row) for row in rows]
        assert min(errors) < BOUND
        coins.append(errors[1] < errors[0])
    assert sum(coins) == estimate.statistics.exact_tasks
    assert 0 < sum(coins) < 8
    assert torch.allclose(estimate.statistics.task_gradients.mean(0), estimate.gradient, rtol=1e-12)


def test_ufo_tosses_other_coins_at_every_step_and_the_same_again(strided):
    def counts(ufo):
        return [found(strided, 1, estimator=ufo).statistics.exact_tasks for _ in range(12)]
    first = counts(ufo_maml.Ufo(q=0.5, seed=7))
    assert first == counts(ufo_maml.Ufo(q=0.5, seed=7))
    assert len(set(first)) > 1
    later = ufo_maml.Ufo(q=0.5, seed=7, step=5)
    assert [found(strided, 1, estimator=later).statistics.exact_tasks for _ in range(7)] == first[5:]
    assert later.step == 12


def test_adaptive_q_learns_from_the_calls(strided):
    ufo = ufo_maml.Ufo(q="adaptive", base="head")
    for _ in range(6):
        found(strided, 2, estimator=ufo)
    assert ufo.state["exact_tasks"] >= 10
    again = ufo_maml.Ufo(q="adaptive", base="head", step=ufo.step, state=dict(ufo.state))
    assert torch.equal(found(strided, 2, estimator=ufo).gradient, found(strided, 2, estimator=again).gradient)


def test_loss_and_accuracy_are_those_of_the_adapted_parameters(case):
    estimate = found(case, 2)
    phi = ufo_maml.adapt(case.network, case.theta, *case.episodes[:2], inner={"steps": 2, "learning_rate": ALPHA})
    logits = case.network.logits(phi, case.episodes[2], case.episodes[0])
    labels = case.episodes[3]
    assert estimate.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())))
    assert estimate.accuracy == pytest.approx(float((logits.argmax(-1) == labels).double().mean()))
    assert estimate.statistics.gradient_calls == TASKS * 3
    assert estimate.statistics.hessian_products == TASKS * 2


def test_float32_is_near_float64(case):
    single = [tensor.float() if tensor.is_floating_point() else tensor for tensor in case.episodes]
    gradient = ufo_maml.meta_gradient(case.network, case.theta.float(), *single, inner={"learning_rate": ALPHA}).gradient
    assert gradient.dtype == torch.float32
    assert relative_error(gradient.double(), found(case, 1).gradient) < 1e-4


def test_the_order_in_memory_changes_nothing(strided):
    straight = found(strided, 1).gradient
    support, support_labels, query, query_labels = strided.episodes
    episodes = (support.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3), support_labels.t().contiguous().t(),
                torch.stack([query, query], -1)[..., 0], query_labels.int())
    theta = torch.stack([strided.theta, strided.theta], -1)[:, 0]
    assert not episodes[0].is_contiguous() and not theta.is_contiguous()
    gradient = ufo_maml.meta_gradient(strided.network, theta, *episodes, inner={"learning_rate": ALPHA}).gradient
    assert torch.equal(gradient, straight)


def test_the_number_of_threads_changes_no_bit(case):
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(found(case, 2, estimator=ufo_maml.Ufo(q=0.5, seed=1)).gradient)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(result, results[0]) for result in results)


def test_several_python_threads_may_call_at_once(strided):
    straight, results = found(strided, 2).gradient, {}

    def work(number):
        results[number] = [found(strided, 2).gradient for _ in range(5)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(gradient, straight) for gradients in results.values() for gradient in gradients)
    assert len(results) == 4


def test_releases_the_gil_while_it_works():
    case, beats, stop = CASES["pooled"](tasks=64), [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(1)
            stop.wait(0.001)
    thread = threading.Thread(target=beat)
    thread.start()
    before = len(beats)
    found(case, 5)
    during = len(beats) - before
    stop.set()
    thread.join()
    assert during > 3


def test_theta_may_be_a_parameter_and_is_left_alone(strided):
    theta = torch.nn.Parameter(strided.theta.clone())
    optimizer = torch.optim.Adam([theta], lr=0.01)
    losses = []
    for _ in range(20):
        theta.grad, loss, _, _ = ufo_maml.meta_gradient(strided.network, theta, *strided.episodes)
        optimizer.step()
        losses.append(loss)
    assert losses[-1] < 0.7 * losses[0]
    assert not theta.grad.requires_grad
