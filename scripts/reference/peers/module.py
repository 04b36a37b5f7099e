"""Conv4 as the torch.nn.Module that users of learn2learn and higher would write; parameters named as the dumps name."""

from torch import nn

from ..networks import Conv4, count


class Block(nn.Module):
    def __init__(self, weight, network):
        super().__init__()
        filters, channels, kernel, _ = weight.shape
        self.conv = nn.Conv2d(channels, filters, kernel, network.stride, kernel // 2)
        self.norm = nn.BatchNorm2d(filters, eps=network.batch_norm_eps, track_running_stats=False)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2) if network.pool else nn.Identity()

    def forward(self, x):
        return self.pool(self.relu(self.norm(self.conv(x))))


class Conv4Module(nn.Module):
    def __init__(self, network: Conv4, theta):
        super().__init__()
        self.flatten = network.pool
        blocks = count(theta, "blocks.{}.conv.weight")
        self.blocks = nn.Sequential(*(Block(theta[f"blocks.{i}.conv.weight"], network) for i in range(blocks)))
        ways, features = theta["head.weight"].shape
        self.head = nn.Linear(features, ways)
        self.to(theta["head.weight"])  # its dtype and device
        self.load_state_dict(theta)

    def forward(self, images):
        x = self.blocks(images)
        return self.head(x.flatten(1) if self.flatten else x.mean((2, 3)))


def gradients(module):
    """What backward() left in the parameters, by name."""
    return {name: parameter.grad for name, parameter in module.named_parameters()}
