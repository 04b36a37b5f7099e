"""The networks of UFO-MAML as pure functions of a dict of named parameters.

S images of C channels and H x W pixels; F filters, k x k kernels, N ways, D features before the head.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F


def beside(support, images):
    """The support images, where there are any, in front of `images`, and their number."""
    return (images, 0) if support is None else (torch.cat((support, images)), len(support))


@dataclass(frozen=True)
class Conv4:
    """MAML's convolutional network: `blocks` times (convolution, batch norm, ReLU, optional 2x2 max-pool), linear head.
    ReLU may have a slope below zero.

    Batch norm uses the statistics of the batch at hand (biased variance) or, with `support_statistics`, for query images
    those of the support images, which pass through the network beside them. The features are the spatial mean of the
    last block where the head has a weight a filter, or there is no head and no pooling, else its values, flattened in the
    order C, H, W.
    """

    stride: int = 2
    pool: bool = False
    batch_norm_eps: float = 1e-5
    support_statistics: bool = False
    negative_slope: float = 0.0

    def __call__(self, parameters, images, support=None):
        """Logits [S, N] of images [S, C, H, W]; where these are query images, `support` are the support images."""
        return head(parameters, self.features(parameters, images, support))

    def features(self, parameters, images, support=None):
        """[S, D], what the head sees of the images."""
        x, first = beside(support if self.support_statistics else None, images)
        for i in range(count(parameters, "blocks.{}.conv.weight")):
            x = self.block(x, first, *(parameters[f"blocks.{i}.{part}"] for part in
                                       ("conv.weight", "conv.bias", "norm.weight", "norm.bias")))
        averaged = parameters["head.weight"].shape[1] == x.shape[1] if "head.weight" in parameters else not self.pool
        return (x.mean((2, 3)) if averaged else x.flatten(1))[first:]

    def block(self, x, support, weight, bias, scale, shift):
        """Of x, whose first `support` images give batch norm its statistics, or all where that is 0."""
        x = F.conv2d(x, weight, bias, stride=self.stride, padding=weight.shape[-1] // 2)
        x = batch_norm(x, support, scale, shift, self.batch_norm_eps)
        x = F.leaky_relu(x, self.negative_slope) if self.negative_slope else F.relu(x)
        return F.max_pool2d(x, 2) if self.pool else x

    def width(self, size, filters, blocks):
        """D for square images of `size` pixels; kernels are odd, padding is k // 2."""
        for _ in range(blocks):
            size = (size - 1) // self.stride + 1
            size = size // 2 if self.pool else size
        return filters * size * size if self.pool else filters

    def shapes(self, channels, size, filters, ways, blocks=4, kernel=3):
        """The parameters' shapes by name, in the order of the network."""
        result = {}
        for i in range(blocks):
            result[f"blocks.{i}.conv.weight"] = (filters, filters if i else channels, kernel, kernel)
            for part in ("conv.bias", "norm.weight", "norm.bias"):
                result[f"blocks.{i}.{part}"] = (filters,)
        result["head.weight"] = (ways, self.width(size, filters, blocks))
        result["head.bias"] = (ways,)
        return result


@dataclass(frozen=True)
class Mlp:
    """Linear layers with ReLU between them, on images flattened in the order C, H, W."""

    def __call__(self, parameters, images, support=None):
        """Logits [S, N] of images [S, C, H, W], whatever the support images are."""
        return head(parameters, self.features(parameters, images))

    def features(self, parameters, images, support=None):
        """[S, D], what the head sees of the images."""
        x = images.flatten(1)
        for i in range(count(parameters, "layers.{}.weight")):
            x = F.relu(F.linear(x, parameters[f"layers.{i}.weight"], parameters[f"layers.{i}.bias"]))
        return x

    def shapes(self, channels, size, hidden, ways):
        """The parameters' shapes by name, in the order of the network."""
        result = {}
        width = channels * size * size
        for i, units in enumerate(hidden):
            result[f"layers.{i}.weight"], result[f"layers.{i}.bias"] = (units, width), (units,)
            width = units
        result["head.weight"], result["head.bias"] = (ways, width), (ways,)
        return result


@dataclass(frozen=True)
class ResNet12:
    """Residual blocks of three 3x3 convolutions with batch norm and leaky ReLU, each beside a 1x1 convolution with
    batch norm, 2x2 max-pool behind the sum; the spatial mean and a linear head (arXiv 1904.03758, without dropout).

    Batch norm as in Conv4.
    """

    batch_norm_eps: float = 1e-5
    support_statistics: bool = False

    def __call__(self, parameters, images, support=None):
        """Logits [S, N] of images [S, C, H, W]; where these are query images, `support` are the support images."""
        return head(parameters, self.features(parameters, images, support))

    def features(self, parameters, images, support=None):
        """[S, D], what the head sees of the images."""
        x, first = beside(support if self.support_statistics else None, images)
        for i in range(count(parameters, "layer{}.conv1.weight", 1)):
            x = self.block(x, first, parameters, f"layer{i + 1}.")
        return x.mean((2, 3))[first:]

    def block(self, x, support, parameters, prefix):
        y = x
        for i in (1, 2, 3):
            y = F.conv2d(y, parameters[f"{prefix}conv{i}.weight"], padding=1)
            y = self.norm(y, support, parameters, f"{prefix}bn{i}")
            y = F.leaky_relu(y, 0.1) if i < 3 else y
        shortcut = F.conv2d(x, parameters[f"{prefix}downsample.0.weight"])
        y = y + self.norm(shortcut, support, parameters, f"{prefix}downsample.1")
        return F.max_pool2d(F.leaky_relu(y, 0.1), 2)

    def norm(self, x, support, parameters, name):
        return batch_norm(x, support, parameters[f"{name}.weight"], parameters[f"{name}.bias"], self.batch_norm_eps)

    def shapes(self, channels, size, widths, ways):
        """The parameters' shapes by name, in the order of the network."""
        result = {}
        for i, width in enumerate(widths):
            for k in (1, 2, 3):
                result[f"layer{i + 1}.conv{k}.weight"] = (width, channels if k == 1 else width, 3, 3)
                for part in ("weight", "bias"):
                    result[f"layer{i + 1}.bn{k}.{part}"] = (width,)
            result[f"layer{i + 1}.downsample.0.weight"] = (width, channels, 1, 1)
            for part in ("weight", "bias"):
                result[f"layer{i + 1}.downsample.1.{part}"] = (width,)
            channels = width
        result["head.weight"], result["head.bias"] = (ways, channels), (ways,)
        return result


def head(parameters, features):
    """Logits [S, N] of features [S, D]."""
    return F.linear(features, parameters["head.weight"], parameters["head.bias"])


def prototype_start(network, ways):
    """phi_0 whose head is 2 mu_c and -|mu_c|^2, mu_c the mean feature of class c (arXiv 1703.05175, equation 8)."""
    def start(theta, task):
        features = network.features(theta, task.support_images)
        member = F.one_hot(task.support_labels, ways).to(features.dtype)
        mu = member.T @ features / member.sum(0).unsqueeze(1)
        return theta | {"head.weight": 2 * mu, "head.bias": -(mu * mu).sum(1)}
    return start


def shared_start(network, ways):
    """phi_0 whose head has theta's one row for each class (arXiv 2106.16245)."""
    rows = lambda value: value.repeat_interleave(ways, 0)
    return lambda theta, task: theta | {name: rows(theta[name]) for name in ("head.weight", "head.bias")}


def zero_start(network, ways):
    """phi_0 whose head is 0."""
    def start(theta, task):
        features = network.features(theta, task.support_images)
        return theta | {"head.weight": features.new_zeros(ways, features.shape[1]),
                        "head.bias": features.new_zeros(ways)}
    return start


STARTS = {"linear": lambda network, ways: lambda theta, task: theta, "zero": zero_start, "shared": shared_start,
          "prototype": prototype_start}
"""What makes phi_0 of theta and the task, by model.head."""


def batch_norm(x, support, scale, shift, eps):
    """Of x, whose first `support` images give the statistics, or all where that is 0; biased variance."""
    if not support:
        return F.batch_norm(x, None, None, scale, shift, training=True, eps=eps)
    variance, mean = torch.var_mean(x[:support], (0, 2, 3), correction=0, keepdim=True)
    x = (x - mean) / (variance + eps).sqrt()
    return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


def count(parameters, pattern, first=0):
    """How many of pattern.format(first), pattern.format(first + 1), ... are parameters."""
    i = first
    while pattern.format(i) in parameters:
        i += 1
    return i - first


def random_parameters(shapes, generator, dtype=torch.float64):
    """Random values of every parameter: He-scaled weights, norm weights in [0.5, 1.5), small biases that are not 0."""
    result = {}
    for name, shape in shapes.items():
        if name.endswith(".weight") and len(shape) == 1:
            value = 0.5 + torch.rand(shape, generator=generator, dtype=torch.float64)
        else:
            value = torch.randn(shape, generator=generator, dtype=torch.float64)
            value *= (2 / value[0].numel()) ** 0.5 if len(shape) > 1 else 0.2
        result[name] = value.to(dtype)
    return result


def cross_entropy(network):
    """The loss of `network`: mean cross-entropy as a function of (parameters, images, labels) and, for query images, the
    support images."""
    return lambda parameters, images, labels, *support: F.cross_entropy(network(parameters, images, *support), labels)
