"""Networks as functions of a flat vector of parameters."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from . import _engine
from ._module import Classifier


class Network:
    """A classifier of images as a function of its P parameters, which lie in one flat vector.

    name: "conv4", "mlp" or "resnet12". ways: the number of classes N. image: C, H and W of an image. options: as the group
    `model` of a config has them: filters, blocks, downsampling ("stride", "max_pool"), hidden of an mlp, widths of a
    resnet12, batch_norm ("batch": the statistics of the query images together; "support": those of the support images) and
    so on. Raises ValueError for one that there is not, or that is out of its range.
    """

    def __init__(self, name: str = "conv4", *, ways: int = 5, image: tuple[int, int, int] = (1, 28, 28), **options: Any):
        if len(image) != 3 or min(*image, ways) < 1:
            raise ValueError(f"Network: need an image (C, H, W) and ways of at least 1 each, got {image} and {ways}")
        self.name, self.ways, self.image, self.options = name, ways, image, options
        self._engine = _engine.Network({"name": name, **options}, *image, ways)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Network({self.name!r}, ways={self.ways}, image={self.image}{options})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.name, self.ways, self.image, self.options)

    @property
    def adapted(self) -> "Network":
        """The network of phi, of what `adapt` returns: this one, with a linear head and one set of batch norm's weights,
        whatever it learns to begin with."""
        changes = {"head": "linear"} if self.options.get("head", "linear") != "linear" else {}
        if self.options.get("batch_norm") == "per_step":
            changes["batch_norm"] = "batch"
        return Network(self.name, ways=self.ways, image=self.image, **self.options | changes) if changes else self

    @property
    def size(self) -> int:
        """P, the length of phi and, unless the network begins with another head, of theta without learned rates."""
        return self._engine.size

    @property
    def blocks(self) -> int:
        """The number of blocks before the head: the largest `base` of an estimator."""
        return self._engine.blocks

    @property
    def batch_norm(self) -> str:
        """Whose statistics batch norm takes for query images: "none" (there is no batch norm), "batch" or "support"."""
        return self._engine.batch_norm

    @property
    def facts(self) -> dict[str, str]:
        """What one must know, beside the name and the shapes, to compute the same network elsewhere: "stride": "2"."""
        return self._engine.facts

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter under its name in PyTorch, in the order of the flat vector."""
        return self._shapes({})

    def _shapes(self, inner: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(shape) for name, shape in self._engine.parameters(inner)}

    def initial(self, seed: int = 0, dtype: torch.dtype = torch.float32, *,
                inner: Mapping[str, Any] | None = None) -> Tensor:
        """A fresh initialisation [P], a function of `seed`: Glorot-uniform weights, biases 0, batch norm 1 and 0. Where
        `inner` has rates that are learned, they begin behind it: theta [P + R]."""
        return self._engine.initial(seed, dict(inner or {})).to(dtype)

    def unpack(self, flat: Tensor, *, inner: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
        """The parameters of flat [..., P] by name, each [..., shape]; differentiable, views wherever the order in memory
        allows. Where `inner` has learned rates, flat is [..., P + R], and they are inner.rates.<name>."""
        options = dict(inner or {})
        return dict(zip(self._shapes(options), self._engine.unpack(flat, options)))

    def pack(self, parameters: Mapping[str, Tensor], *, inner: Mapping[str, Any] | None = None) -> Tensor:
        """The inverse of unpack, of any mapping of names to tensors, such as a state_dict: a fresh flat [..., P]."""
        options = dict(inner or {})
        shapes = self._shapes(options)
        missing, extra = shapes.keys() - parameters.keys(), parameters.keys() - shapes.keys()
        if missing or extra:
            raise ValueError(f"pack: need the parameters of {self}, got none for {sorted(missing)}, and {sorted(extra)}")
        return self._engine.pack([parameters[name] for name in shapes], options)

    def logits(self, parameters: Tensor, images: Tensor, support_images: Tensor | None = None) -> Tensor:
        """Logits [T, R, N] of images [T, R, C, H, W] under parameters [T, P], differentiable any number of times. With
        batch_norm="support" the support images [T, S, C, H, W] give the statistics; without them `images` do."""
        return self._engine.query_logits(parameters, images, images if support_images is None else support_images)

    def module(self, theta: Tensor, *, inner: Mapping[str, Any] | None = None) -> Classifier:
        """A torch.nn.Module with the parameters theta [P] under PyTorch's names; where `inner` has learned rates, with
        those of theta [P + R] as inner.rates.<name>."""
        return Classifier(self, theta, inner)


def _rebuilt(name: str, ways: int, image: tuple[int, int, int], options: dict[str, Any]) -> Network:
    return Network(name, ways=ways, image=image, **options)
