"""Each fault raises ValueError with what was needed and what was found, and leaves nothing behind."""

import pytest
import torch

import ufo_maml

SUPPORT, SUPPORT_LABELS, QUERY, QUERY_LABELS = range(1, 5)


@pytest.mark.parametrize("place, change, message", [
    (0, lambda theta: theta[:-1], r"theta: need float32 or float64 parameters \[831\], got Double \[830\] on cpu"),
    (0, lambda theta: theta.half(), r"theta: need float32 or float64 parameters \[831\], got Half \[831\]"),
    (0, lambda theta: theta.unsqueeze(0), r"theta: need .* got Double \[1, 831\]"),
    (SUPPORT, lambda images: images[0], r"support_images: need Double \[T, S, 2, 13, 13\] .* got Double \[6, 2, 13, 13\]"),
    (SUPPORT, lambda images: images[..., :12], r"support_images: .* got Double \[3, 6, 2, 13, 12\]"),
    (SUPPORT, lambda images: images[:, :0], r"support_images: .* got Double \[3, 0, 2, 13, 13\]"),
    (SUPPORT, lambda images: images.float(), r"support_images: need Double .* got Float"),
    (QUERY, lambda images: images[:2], r"query_images: need Double \[3, S, 2, 13, 13\] .* got Double \[2, 6, 2, 13, 13\]"),
    (QUERY, lambda images: images.to("meta"), "query_images: need .* on cpu as the parameters, got .* on meta"),
    (SUPPORT_LABELS, lambda labels: labels[:, :5], r"support_labels: need integers \[3, 6\] .* got Long \[3, 5\]"),
    (SUPPORT_LABELS, lambda labels: labels.double(), r"support_labels: need integers \[3, 6\] .* got Double"),
    (SUPPORT_LABELS, lambda labels: labels + 1, "support_labels: need labels from 0 to 2, got 3"),
    (QUERY_LABELS, lambda labels: labels - 1, "query_labels: need labels from 0 to 2, got -1"),
])
def test_a_tensor_of_the_wrong_form_is_refused(strided, place, change, message):
    arguments = [strided.theta, *strided.episodes]
    arguments[place] = change(arguments[place])
    with pytest.raises(ValueError, match=message):
        ufo_maml.meta_gradient(strided.network, *arguments)


@pytest.mark.parametrize("options, message", [
    ({"inner": {"step": 2}}, r"inner: there is no option step; did you mean steps\?"),
    ({"inner": {"steps": 0}}, "inner.steps: need at least 1 and at most 1048576, got 0"),
    ({"inner": {"steps": 1.5}}, "inner.steps: need an integer, got 1.5"),
    ({"inner": {"learning_rate": -1}}, "inner.learning_rate: need above 0, got -1"),
    ({"estimator": "exactly"}, 'estimator.estimator: need one of .*, got "exactly"'),
    ({"estimator": "ufo"}, r"need Ufo\(q, base, seed\)"),
    ({"estimator": ufo_maml.Ufo(q=0)}, "estimator.q: need above 0 and at most 1, got 0"),
    ({"estimator": ufo_maml.Ufo(q="often")}, "estimator.q: need a number .*, got 'often'"),
    ({"estimator": ufo_maml.Partial(base=-1)}, "estimator.base: need .* a number of blocks, got -1"),
    ({"estimator": ufo_maml.Partial(base=4)}, "need 0 to 3 blocks before the head, got 4"),
    ({"memory": "none"}, 'estimator.memory: need one of store_linearizations, .*, got "none"'),
])
def test_an_option_that_cannot_be_is_refused(strided, options, message):
    with pytest.raises(ValueError, match=message):
        ufo_maml.meta_gradient(strided.network, strided.theta, *strided.episodes, **options)


def test_what_is_no_tensor_is_a_type_error(strided):
    with pytest.raises(TypeError, match="torch.Tensor"):
        ufo_maml.meta_gradient(strided.network, [1.0, 2.0], *strided.episodes)


def test_a_refused_call_tosses_no_coin(strided):
    ufo = ufo_maml.Ufo()
    with pytest.raises(ValueError):
        ufo_maml.meta_gradient(strided.network, strided.theta[:3], *strided.episodes, estimator=ufo)
    assert ufo.step == 0


def test_adapt_and_predict_refuse_too(strided):
    support, labels, query, _ = strided.episodes
    with pytest.raises(ValueError, match="support_labels: need labels from 0 to 2, got 9"):
        ufo_maml.adapt(strided.network, strided.theta, support, labels * 0 + 9)
    with pytest.raises(ValueError, match=r"phi: need float32 or float64 parameters \[T, 831\], got Double \[831\]"):
        ufo_maml.predict(strided.network, strided.theta, query, support)
