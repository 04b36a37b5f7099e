"""The reference that the package is held against: scripts/reference, plain torch.func."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from reference.networks import Conv4, Mlp, ResNet12  # noqa: E402

import ufo_maml  # noqa: E402

torch.set_num_threads(1)  # the tensors are tiny, and beside other work threads that wait for one another take for ever

TASKS, WAYS, SHOTS, QUERIES, IMAGE = 3, 3, 2, 2, (2, 13, 13)


class Case:
    """A small network, as the package and as the reference have it, and episodes of noise for it."""

    def __init__(self, reference, name="conv4", dtype=torch.float64, tasks=TASKS, **options):
        self.reference = reference
        self.network = ufo_maml.Network(name, ways=WAYS, image=IMAGE, **options)
        generator = torch.Generator().manual_seed(1)
        theta = self.network.initial(1, torch.float64)  # noise moves the parameters of batch norm off 1 and 0
        self.theta = (theta + 0.1 * torch.randn(theta.shape, generator=generator, dtype=torch.float64)).to(dtype)

        def part(images_a_class):
            labels = torch.arange(WAYS).repeat_interleave(images_a_class).repeat(tasks, 1)
            return torch.randn(*labels.shape, *IMAGE, generator=generator, dtype=torch.float64).to(dtype), labels

        self.episodes = (*part(SHOTS), *part(QUERIES))


CASES = {
    "strided": lambda **more: Case(Conv4(stride=2, pool=False), filters=6, blocks=3, **more),
    "pooled": lambda **more: Case(Conv4(stride=1, pool=True), filters=6, blocks=2, downsampling="max_pool", **more),
    "support": lambda **more: Case(Conv4(stride=2, pool=False, support_statistics=True), filters=4, blocks=2,
                                   batch_norm="support", **more),
    "resnet12": lambda **more: Case(ResNet12(), "resnet12", widths=[4, 6], **more),
    "mlp": lambda **more: Case(Mlp(), "mlp", hidden=[12, 8], **more),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


@pytest.fixture
def strided():
    return CASES["strided"]()


def relative_error(found, expected):
    return float((found - expected).detach().norm() / expected.detach().norm())
