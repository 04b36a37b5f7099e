"""Network: layouts, options, and modules."""

import copy
import pickle

import pytest
import torch
from conftest import IMAGE, relative_error

import ufo_maml


def test_unpack_gives_views_where_the_order_in_memory_allows(strided):
    parameters = strided.network.unpack(strided.theta)
    storage = strided.theta.untyped_storage().data_ptr()
    assert all(value.untyped_storage().data_ptr() == storage for value in parameters.values())
    assert {name: tuple(value.shape) for name, value in parameters.items()} == strided.network.shapes


def test_pack_is_the_inverse_of_unpack(case):
    assert torch.equal(case.network.pack(case.network.unpack(case.theta)), case.theta)
    assert len(case.theta) == case.network.size


def test_logits_are_those_of_the_reference(case):
    support, _, query, _ = case.episodes
    phi = torch.stack([case.theta * scale for scale in (1.0, 0.9, 1.1)])
    logits = case.network.logits(phi, query, support)
    for task, row in enumerate(logits):
        expected = case.reference(case.network.unpack(phi[task]), query[task], support[task])
        assert relative_error(row, expected) < 1e-12


def test_a_module_has_pytorchs_names_and_the_same_logits(case):
    module = case.network.module(case.theta)
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == case.network.shapes
    support, _, query, _ = case.episodes
    expected = case.reference(dict(module.named_parameters()), query[0], support[0])
    assert relative_error(module(query[0], support[0]), expected) < 1e-12
    assert torch.equal(module.theta, case.theta)


def test_a_module_with_learned_rates_has_them_behind_its_parameters(case):
    inner = {"steps": 2, "rates": {"per": "layer_and_step", "learned": True}}
    theta = case.network.initial(1, torch.float64, inner=inner)
    module, images = case.network.module(theta, inner=inner), case.episodes[0][0]
    assert torch.equal(module.theta, theta)
    rates = {name: value for name, value in module.state_dict().items() if name.startswith("inner.rates.")}
    assert "inner.rates.head" in rates and all(value.tolist() == pytest.approx([0.4, 0.4]) for value in rates.values())
    assert torch.equal(module(images), case.network.module(theta[: case.network.size])(images))


def test_autograd_goes_through_a_module(case):
    module, (images, labels, _, _) = case.network.module(case.theta), case.episodes
    torch.nn.functional.cross_entropy(module(images[0]), labels[0]).backward()
    parameters = {name: value.clone().requires_grad_() for name, value in case.network.unpack(case.theta).items()}
    torch.nn.functional.cross_entropy(case.reference(parameters, images[0]), labels[0]).backward()
    for name, value in module.named_parameters():
        if not name.endswith("conv.bias"):  # batch norm takes it out again: rounding alone
            assert relative_error(value.grad, parameters[name].grad) < 1e-10


def test_networks_and_modules_can_be_copied_and_pickled(strided):
    module, images = strided.network.module(strided.theta), strided.episodes[0][0]
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(images), module(images))
        assert repr(other.network) == repr(module.network)


def test_an_initialisation_is_a_function_of_its_seed(strided):
    network = strided.network
    assert torch.equal(network.initial(4), network.initial(4))
    assert not torch.equal(network.initial(4), network.initial(5))
    assert network.initial(4).dtype == torch.float32
    assert (network.unpack(network.initial(4))["blocks.0.norm.weight"] == 1).all()


@pytest.mark.parametrize("options, message", [
    ({"filter": 3}, r"model: there is no option filter; did you mean filters\?"),
    ({"filters": 0}, "model.filters: need at least 1"),
    ({"filters": "many"}, "model.filters: need an integer, got 'many'"),
    ({"downsampling": "none"}, "model.downsampling: need one of stride, max_pool"),
    ({"blocks": 8, "downsampling": "max_pool"}, "model.blocks: images of 13x13 pixels allow at most 3 blocks"),
    ({"ways": 0}, "ways of at least 1"),
])
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ufo_maml.Network(**{"image": IMAGE, **options})


def test_an_unknown_network_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="model.name: need one of conv4"):
        ufo_maml.Network("conv5")


def test_parameters_of_another_network_are_refused(strided):
    parameters = strided.network.unpack(strided.theta)
    with pytest.raises(ValueError, match=r"got none for \['head.bias'\]"):
        strided.network.pack({name: value for name, value in parameters.items() if name != "head.bias"})
    with pytest.raises(ValueError, match=r"need head.bias of shape \[3\], got \[4\]"):
        strided.network.pack(parameters | {"head.bias": torch.zeros(4, dtype=torch.float64)})


@pytest.mark.parametrize("head", ["zero", "shared", "prototype"])
def test_a_network_that_begins_with_another_head_becomes_one_with_a_linear_head(strided, head):
    network = ufo_maml.Network("conv4", ways=3, image=IMAGE, filters=6, blocks=3, head=head)
    theta = network.initial(1, torch.float64)
    assert len(theta) < network.size
    support, labels, query, _ = strided.episodes
    gradient = ufo_maml.meta_gradient(network, theta, *strided.episodes).gradient
    assert gradient.shape == theta.shape
    phi = ufo_maml.adapt(network, theta, support, labels)
    module = network.adapted.module(phi[0])
    probabilities = ufo_maml.predict(network, phi, query, support)
    assert torch.allclose(module(query[0]).softmax(-1), probabilities[0])
    assert torch.allclose(module.portable()(query[0]).softmax(-1), probabilities[0])
    with pytest.raises(ValueError, match="forward: need what the inner loop makes of it"):
        network.module(theta)(query[0])


def test_a_linear_head_is_what_it_stays(strided):
    assert strided.network.adapted is strided.network


def test_what_each_inner_step_has_of_batch_norm_is_not_left_in_the_adapted_network(strided):
    network = ufo_maml.Network("conv4", ways=3, image=IMAGE, filters=6, blocks=3, batch_norm="per_step", negative_slope=0.1)
    inner = {"steps": 2, "learning_rate": 0.3}
    theta = network.initial(1, torch.float64, inner=inner)
    theta = theta + 0.1 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert len(theta) > network.size
    support, labels, query, query_labels = strided.episodes
    estimate = ufo_maml.meta_gradient(network, theta, *strided.episodes, inner=inner)
    assert estimate.gradient.shape == theta.shape
    phi = ufo_maml.adapt(network, theta, support, labels, inner=inner)
    module = network.adapted.module(phi[0])
    logits = torch.stack([network.adapted.module(row)(images) for row, images in zip(phi, query)])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), query_labels.flatten())
    assert estimate.loss == pytest.approx(float(loss.detach()), rel=1e-10)
    assert relative_error(module.portable()(query[0]), module(query[0])) < 1e-10
