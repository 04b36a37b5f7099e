"""A network in PyTorch's own operations, and as ONNX."""

import pytest
import torch
from conftest import CASES, IMAGE, WAYS, Case, relative_error
from reference.networks import Conv4, ResNet12

import ufo_maml

MORE = {
    "flat": lambda **more: Case(Conv4(stride=2), filters=5, blocks=2, features="flatten", kernel=5, **more),
    "residual_support": lambda **more: Case(ResNet12(support_statistics=True), "resnet12", widths=[4, 6],
                                            batch_norm="support", **more),
}


def portable(case):
    support, _, query, _ = case.episodes
    by_support = support[0] if case.network.batch_norm == "support" else None
    return case.network.module(case.theta).portable(by_support), case.network.logits(
        case.theta.unsqueeze(0), query[:1], support[:1])[0]


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_it_has_the_logits_of_the_network(name):
    case = (CASES | MORE)[name]()
    module, expected = portable(case)
    assert relative_error(module(case.episodes[2][0]), expected) < 1e-12
    assert module.training is False
    parameters = {name: tuple(value.shape) for name, value in module.named_parameters()}
    assert parameters == case.network.shapes


@pytest.mark.parametrize("name", ["support", "residual_support"])
def test_held_statistics_make_each_image_stand_alone(name):
    case = (CASES | MORE)[name]()
    module, expected = portable(case)
    assert relative_error(module(case.episodes[2][0, 1:2]), expected[1:2]) < 1e-12
    assert {"mean", "variance"} <= {key.rsplit(".", 1)[-1] for key in module.state_dict()}


@pytest.mark.parametrize("name", ["strided", "pooled", "support", "residual_support", "mlp"])
def test_onnxruntime_gives_the_same_logits_for_any_number_of_images(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    case = (CASES | MORE)[name](dtype=torch.float32)
    module, _ = portable(case)
    torch.onnx.export(module, (case.episodes[2][0],), tmp_path / "model.onnx", input_names=["images"],
                      output_names=["logits"], dynamic_shapes=({0: torch.export.Dim("R")},), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(value.name, value.shape) for value in session.get_inputs()] == [("images", ["R", *IMAGE])]
    for count in (1, 6, 11):
        images = torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(count))
        logits, = session.run(["logits"], {"images": images.numpy()})
        assert logits.shape == (count, WAYS)
        assert relative_error(torch.from_numpy(logits), module(images).detach()) < 1e-5


def test_support_images_are_asked_for_where_they_are_needed():
    support, strided = CASES["support"](), CASES["strided"]()
    with pytest.raises(ValueError, match="portable: need support images, whose statistics batch norm takes"):
        support.network.module(support.theta).portable()
    with pytest.raises(ValueError, match="portable: need no support images"):
        strided.network.module(strided.theta).portable(strided.episodes[0][0])


def test_learned_rates_stay_behind():
    inner = {"rates": {"learned": True}}
    network = ufo_maml.Network(ways=WAYS, image=IMAGE, filters=4)
    module = network.module(network.initial(1, inner=inner), inner=inner)
    images = torch.randn(6, *IMAGE)
    assert relative_error(module.portable()(images), module(images)) < 1e-5
