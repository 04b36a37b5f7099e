"""A network with its parameters as a torch.nn.Module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ._network import Network


class Classifier(nn.Module):
    """`network` with the parameters theta [P], copied, under the names of checkpoints: blocks.0.conv.weight, ...,
    head.weight. Its logits are the program's; autograd goes through them."""

    def __init__(self, network: Network, theta: Tensor):
        super().__init__()
        self.network = network
        for name, value in network.unpack(theta.detach()).items():
            *path, last = name.split(".")
            module: nn.Module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(last, nn.Parameter(value.clone()))

    @property
    def theta(self) -> Tensor:
        """The parameters as a flat vector [P]; differentiable."""
        return self.network.pack(dict(self.named_parameters()))

    def forward(self, images: Tensor, support_images: Tensor | None = None) -> Tensor:
        """Logits [R, N] of images [R, C, H, W]. Batch norm takes the statistics of these images, or, in a network with
        batch_norm="support", of the support images [S, C, H, W] where there are any."""
        support = None if support_images is None else support_images.unsqueeze(0)
        return self.network.logits(self.theta.unsqueeze(0), images.unsqueeze(0), support).squeeze(0)
