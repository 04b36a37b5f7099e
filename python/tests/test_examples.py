"""The examples, for a few steps."""

import sys

import pytest
import torch
from conftest import ROOT

import ufo_maml

pytest.importorskip("PIL")
sys.path.insert(0, str(ROOT / "examples"))

import maml_autograd  # noqa: E402
import maml_omniglot  # noqa: E402
import omniglot  # noqa: E402
import weight_decay  # noqa: E402


def test_episodes_have_distinct_drawings_of_distinct_characters():
    images = omniglot.characters("evaluation")
    assert images.shape == (659, 20, 1, 28, 28)
    assert images.min() == 0 and 0.9 < images.max() <= 1 and images.mean() < 0.2  # bright ink on black
    support, labels, query, query_labels = omniglot.episodes(images, 3, 5, 2, 4, torch.Generator().manual_seed(1))
    assert support.shape == (3, 10, 1, 28, 28) and query.shape == (3, 20, 1, 28, 28)
    assert labels.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]] * 3
    assert query_labels[0].bincount().tolist() == [4] * 5
    for task in range(3):
        together = torch.cat([support[task], query[task]]).flatten(1)
        assert len(together.unique(dim=0)) == 30


def test_autograd_in_the_form_of_learn2learn_takes_the_same_steps(capsys):
    # In float64: Adam's first steps have the length of the rate whatever the gradient's, so that float32's rounding, where
    # it turns a sign or crosses a rectifier's kink, comes out as 0.004 of the loss after three steps.
    images = torch.rand(12, 20, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    network = ufo_maml.Network("conv4", ways=5, image=(1, 28, 28), filters=maml_omniglot.FILTERS)
    maml_omniglot.train(network, images, 3, "exact")
    maml_autograd.train(maml_autograd.make_module().to(images.dtype), images, 3)
    losses = [float(line.split()[3]) for line in capsys.readouterr().out.strip().splitlines()]
    assert len(losses) == 2 and losses[0] == pytest.approx(losses[1], abs=1.1e-3)  # printed to 0.001


def test_the_accuracy_of_the_untrained_network_is_above_chance():
    images = omniglot.characters("evaluation")[:20]
    network = ufo_maml.Network("conv4", ways=5, image=(1, 28, 28), filters=8)
    accuracy, interval = maml_omniglot.test(network, network.initial(1), images, tasks=20)
    assert 0.25 < accuracy < 1 and 0 < interval < 0.2


def test_the_weight_decay_of_the_features_that_matter_falls(capsys):
    weight_decay.main(steps=20)
    first, last = capsys.readouterr().out.strip().splitlines()
    numbers = [[float(word.strip(",")) for word in line.split() if word.strip(",-").replace(".", "").isdigit()]
               for line in (first, last)]
    (_, held_out, _, matter, rest), (_, later_held_out, _, later_matter, later_rest) = numbers
    assert later_held_out < held_out and later_matter < matter and later_rest > rest
