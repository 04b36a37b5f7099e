"""adapt and predict, and that nothing is left behind by many calls."""

import gc
import os

import pytest
import torch
from conftest import relative_error
from reference.meta_gradients import Inner, Task, adapt
from reference.networks import cross_entropy

import ufo_maml

INNER = {"steps": 3, "learning_rate": 0.3}


def test_adapt_is_gradient_descent_on_the_support_loss(case):
    phi = ufo_maml.adapt(case.network, case.theta, *case.episodes[:2], inner=INNER)
    for task, row in enumerate(phi):
        expected = adapt(cross_entropy(case.reference), Inner(**INNER), case.network.unpack(case.theta),
                         Task(*(part[task] for part in case.episodes)))
        assert relative_error(row, case.network.pack(expected)) < 1e-10


def test_predict_gives_the_probabilities_of_the_adapted_network(case):
    support, labels, query, _ = case.episodes
    phi = ufo_maml.adapt(case.network, case.theta, support, labels, inner=INNER)
    probabilities = ufo_maml.predict(case.network, phi, query, support)
    for task, row in enumerate(probabilities):
        logits = case.reference(case.network.unpack(phi[task]), query[task], support[task])
        assert torch.allclose(row, logits.softmax(-1), rtol=1e-10)


def test_with_support_statistics_a_prediction_depends_on_its_image_alone(case):
    support, _, query, _ = case.episodes
    phi = case.theta.repeat(len(query), 1)
    alone = ufo_maml.predict(case.network, phi, query[:, :1], support)
    together = ufo_maml.predict(case.network, phi, query, support)[:, :1]
    assert torch.allclose(alone, together, rtol=1e-10) == (case.network.batch_norm != "batch")


def resident_kilobytes():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_two_thousand_calls_leave_no_memory_behind(strided):
    def call():
        ufo_maml.meta_gradient(strided.network, strided.theta, *strided.episodes, estimator=ufo_maml.Ufo(0.5),
                               keep_tasks=True)
        strided.network.unpack(strided.theta)
        with pytest.raises(ValueError):
            ufo_maml.adapt(strided.network, strided.theta[1:], *strided.episodes[:2])
    for _ in range(300):
        call()
    gc.collect()
    before = resident_kilobytes()
    for _ in range(2000):
        call()
    gc.collect()
    # The gradient of one call has 9 kB, the result of one with its tasks' 36 kB: a leak of either is 18 MB or more.
    assert resident_kilobytes() - before < 6000


@pytest.mark.parametrize("rates", [{}, {"per": "layer_and_step", "learned": True}])
def test_adapt_takes_other_steps_than_the_inner_loop_learned_for(strided, rates):
    inner = INNER | {"rates": rates}
    theta = torch.cat([strided.theta, strided.network.initial(1, torch.float64, inner=inner)[strided.network.size:]])
    phi = ufo_maml.adapt(strided.network, theta, *strided.episodes[:2], inner=inner, steps=5)
    uniform = ufo_maml.adapt(strided.network, strided.theta, *strided.episodes[:2], inner=INNER | {"steps": 5})
    assert relative_error(phi, uniform) < 1e-6  # learned rates begin as float32
    with pytest.raises(ValueError, match="steps: need at least 1"):
        ufo_maml.adapt(strided.network, theta, *strided.episodes[:2], inner=inner, steps=0)


def test_what_does_not_adapt_stays_where_it_was(strided):
    phi = ufo_maml.adapt(strided.network, strided.theta, *strided.episodes[:2], inner=INNER | {"adapt": "head"})
    before, after = strided.network.unpack(strided.theta), strided.network.unpack(phi)
    moved = {name for name in before if not torch.equal(after[name][0], before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_a_learned_rate_lies_behind_theta_and_has_its_gradient(strided):
    inner = INNER | {"rates": {"learned": True}}
    assert len(strided.network.initial(1, inner=inner)) == strided.network.size + 1

    def estimate(rate):
        theta = torch.cat([strided.theta, torch.tensor([rate], dtype=torch.float64)])
        return ufo_maml.meta_gradient(strided.network, theta, *strided.episodes, inner=inner)
    difference = (estimate(0.3 + 1e-6).loss - estimate(0.3 - 1e-6).loss) / 2e-6
    assert float(estimate(0.3).gradient[-1]) == pytest.approx(difference, rel=1e-5)
