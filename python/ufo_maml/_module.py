"""A network with its parameters as a torch.nn.Module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ._portable import portable

if TYPE_CHECKING:
    from ._network import Network


class Classifier(nn.Module):
    """`network` with theta [P], copied, as parameters under the names of checkpoints: blocks.0.conv.weight, ...,
    head.weight. Its logits are the program's; autograd goes through them.

    inner: the options of the inner loop; the rates that it learns are parameters too, inner.rates.<name>, and lie behind
    the others in theta [P + R].
    """

    def __init__(self, network: Network, theta: Tensor, inner: Mapping[str, Any] | None = None):
        super().__init__()
        self.network, self.inner_options = network, dict(inner or {})
        self.config: dict[str, Any] | None = None  # that of the run it comes from
        for name, value in network.unpack(theta.detach(), inner=self.inner_options).items():
            *path, last = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(last, nn.Parameter(value.clone()))

    @property
    def theta(self) -> Tensor:
        """The parameters as a flat vector [P], or [P + R]; differentiable."""
        return self.network.pack(dict(self.named_parameters()), inner=self.inner_options)

    def forward(self, images: Tensor, support_images: Tensor | None = None) -> Tensor:
        """Logits [R, N] of images [R, C, H, W]. Batch norm takes the statistics of these images, or, in a network with
        batch_norm="support", of the support images [S, C, H, W] where there are any."""
        self._need_adapted("forward")
        support = None if support_images is None else support_images.unsqueeze(0)
        parameters = self.theta[: self.network.size].unsqueeze(0)
        return self.network.logits(parameters, images.unsqueeze(0), support).squeeze(0)

    def portable(self, support_images: Tensor | None = None) -> nn.Module:
        """The same network in PyTorch's own operations alone, with copies of the parameters, from images [R, C, H, W] to
        logits [R, N], for torch.onnx.export and its like. Batch norm takes the statistics of these images or, in a network
        with batch_norm="support", holds those of the support images [S, C, H, W], which it needs then."""
        self._need_adapted("portable")
        if (self.network.batch_norm == "support") != (support_images is not None):
            needed = "support images, whose statistics batch norm takes" if support_images is None else "no support images"
            raise ValueError(f"portable: need {needed}, in {self.network}")
        parameters = self.network.unpack(self.theta.detach()[: self.network.size])
        return portable(self.network.name, self.network.shapes, self.network.facts, parameters, support_images)

    def _need_adapted(self, what: str) -> None:
        if self.network.adapted is not self.network:
            raise ValueError(f"{what}: need what the inner loop makes of it, network.adapted.module(phi), in {self.network}")
