"""The networks in PyTorch's own operations alone, which is what torch.export and torch.onnx can follow."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

Shapes = Mapping[str, tuple[int, ...]]
Facts = Mapping[str, str]


class BatchNorm(nn.Module):
    """By the statistics that it holds or, where it holds none, by those of the images at hand; biased variance."""

    mean: Tensor | None
    variance: Tensor | None

    def __init__(self, channels: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", None)
        self.register_buffer("variance", None)

    @staticmethod
    def hold(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """As a hook before forward: from here on by the statistics of this input."""
        norm.variance, norm.mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        if mean is None or variance is None:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


class Conv4(nn.Module):
    """Blocks of convolution, batch norm, rectifier and, with max_pool, a 2x2 pool; a linear head."""

    def __init__(self, shapes: Shapes, facts: Facts):
        super().__init__()
        eps, slope = float(facts["batch_norm_eps"]), float(facts.get("negative_slope", 0))
        blocks: list[nn.Module] = []
        for i in range(int(facts["blocks"])):
            filters, channels, kernel, _ = shapes[f"blocks.{i}.conv.weight"]
            layers: OrderedDict[str, nn.Module] = OrderedDict(
                conv=nn.Conv2d(channels, filters, kernel, int(facts["stride"]), kernel // 2),
                norm=BatchNorm(filters, eps), relu=nn.LeakyReLU(slope) if slope else nn.ReLU())
            if facts["pool"] == "true":
                layers["pool"] = nn.MaxPool2d(2)
            blocks.append(nn.Sequential(layers))
        self.blocks = nn.Sequential(*blocks)
        ways, features = shapes["head.weight"]
        self.averaged = features == int(facts["filters"])
        self.head = nn.Linear(features, ways)

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(images)
        logits: Tensor = self.head(x.mean((2, 3)) if self.averaged else x.flatten(1))
        return logits


class Mlp(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, shapes: Shapes, facts: Facts):
        super().__init__()
        weights = [shape for name, shape in shapes.items() if name.startswith("layers.") and name.endswith(".weight")]
        self.layers = nn.ModuleList(nn.Linear(width, units) for units, width in weights)
        ways, features = shapes["head.weight"]
        self.head = nn.Linear(features, ways)

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1)
        for layer in self.layers:
            x = layer(x).relu()
        logits: Tensor = self.head(x)
        return logits


class ResidualBlock(nn.Module):
    """Three 3x3 convolutions with batch norm beside a 1x1 convolution with batch norm; a 2x2 pool behind the sum."""

    def __init__(self, channels: int, width: int, eps: float):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, padding=1, bias=False), BatchNorm(width, eps)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), BatchNorm(width, eps)
        self.conv3, self.bn3 = nn.Conv2d(width, width, 3, padding=1, bias=False), BatchNorm(width, eps)
        self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), BatchNorm(width, eps))

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.leaky_relu(self.bn1(self.conv1(x)), 0.1)
        y = nn.functional.leaky_relu(self.bn2(self.conv2(y)), 0.1)
        y = nn.functional.leaky_relu(self.bn3(self.conv3(y)) + self.downsample(x), 0.1)
        return nn.functional.max_pool2d(y, 2)


class ResNet12(nn.Module):
    """Residual blocks layer1, layer2, ...; the spatial mean and a linear head."""

    def __init__(self, shapes: Shapes, facts: Facts):
        super().__init__()
        self.blocks = sum(name.endswith("conv1.weight") for name in shapes)
        for i in range(1, self.blocks + 1):
            width, channels, _, _ = shapes[f"layer{i}.conv1.weight"]
            self.add_module(f"layer{i}", ResidualBlock(channels, width, float(facts["batch_norm_eps"])))
        ways, features = shapes["head.weight"]
        self.head = nn.Linear(features, ways)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"layer{i}")(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


NETWORKS: dict[str, Any] = {"conv4": Conv4, "mlp": Mlp, "resnet12": ResNet12}


def portable(name: str, shapes: Shapes, facts: Facts, parameters: Mapping[str, Tensor],
             support_images: Tensor | None) -> nn.Module:
    """The network called `name` with copies of `parameters`; its batch norm holds the statistics of the support images
    [S, C, H, W], taken layer after layer, where there are any."""
    module: nn.Module = NETWORKS[name](shapes, facts).to(next(iter(parameters.values())))
    module.load_state_dict(parameters)
    if support_images is not None:
        hooks = [norm.register_forward_pre_hook(BatchNorm.hold) for norm in module.modules() if isinstance(norm, BatchNorm)]
        with torch.no_grad():
            module(support_images)
        for hook in hooks:
            hook.remove()
    return module.eval()
