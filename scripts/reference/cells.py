"""The cells of the benchmark: networks, episodes and inner loops of the MAML and UFO papers."""

import json
from dataclasses import dataclass

import torch

from .dump import Dump
from .meta_gradients import Task
from .networks import Conv4, random_parameters


@dataclass(frozen=True)
class Estimator:
    """What is raced in a cell: ours by these options of `meta_gradient`, and the peers where they have it too."""

    title: str
    options: dict
    with_peers: bool = False


ESTIMATORS = {
    "first_order": Estimator("first-order", {"estimator": "first_order"}, with_peers=True),
    "exact": Estimator("exact", {"estimator": "exact"}, with_peers=True),
    "partial-1": Estimator("partial, head + 1", {"estimator": "partial", "base": 1}),
    "partial-2": Estimator("partial, head + 2", {"estimator": "partial", "base": 2}),
    "ufo": Estimator("UFO, q = 0.1", {"estimator": "ufo", "q": 0.1}),
    "ufo-2": Estimator("UFO, q = 0.1 on head + 2", {"estimator": "ufo", "q": 0.1, "base": 2}),
}


@dataclass(frozen=True)
class Cell:
    title: str
    config: str  # of `ufo-maml benchmark`, in configs/
    network: Conv4
    channels: int
    size: int
    filters: int
    ways: int
    queries: int  # a class
    tasks: int
    inner_steps: int
    learning_rate: float
    shots: int = 1
    with_peers: bool = True

    def overrides(self, estimator, tasks=None):
        """The --set options that make `config` this cell, with the options of ESTIMATORS[estimator]."""
        values = {
            "inner.steps": self.inner_steps,
            "inner.learning_rate": self.learning_rate,
            "outer.meta_batch": tasks or self.tasks,
            "episode.ways": self.ways,
            "episode.shots": self.shots,
            "episode.queries": self.queries,
            "model.filters": self.filters,
        }
        values |= {f"meta_gradient.{name}": value for name, value in ESTIMATORS[estimator].options.items()}
        return [word for path, value in values.items() for word in ("--set", f"{path}={json.dumps(value)}")]

    def random_episode(self, estimator, tasks, dtype):
        """Weights and tasks of this cell's sizes with random values."""
        generator = torch.Generator().manual_seed(1)
        shapes = self.network.shapes(self.channels, self.size, self.filters, self.ways)
        theta = random_parameters(shapes, generator, dtype)

        def part(images_a_class):
            labels = torch.arange(self.ways).repeat_interleave(images_a_class).repeat(tasks, 1)
            sizes = (*labels.shape, self.channels, self.size, self.size)
            return torch.rand(sizes, generator=generator, dtype=torch.float64).to(dtype), labels
        options = {name: str(value) for name, value in ESTIMATORS[estimator].options.items()}
        metadata = {**options, "inner_steps": str(self.inner_steps),
                    "inner_learning_rate": str(self.learning_rate), "stride": str(self.network.stride),
                    "pool": str(self.network.pool).lower(), "batch_norm_eps": str(self.network.batch_norm_eps),
                    "coins": " ".join(str(task % 2) for task in range(tasks))}
        return Dump(theta, Task(*part(self.shots), *part(self.queries)), metadata=metadata)


STRIDED, POOLED = Conv4(stride=2, pool=False), Conv4(stride=1, pool=True)
OMNIGLOT = {"network": STRIDED, "channels": 1, "size": 28, "filters": 64, "queries": 1}

CELLS = {
    "omniglot-5way": Cell("Omniglot, 5-way 1-shot", "configs/omniglot_5way_1shot_maml.json", **OMNIGLOT,
                          ways=5, tasks=32, inner_steps=1, learning_rate=0.4),
    "omniglot-20way": Cell("Omniglot, 20-way 1-shot", "configs/omniglot_20way_1shot_maml.json", **OMNIGLOT,
                           ways=20, tasks=16, inner_steps=5, learning_rate=0.1),
    "mini-imagenet": Cell("Mini-ImageNet, 5-way 1-shot", "configs/mini_imagenet_5way_1shot_maml.json",
                          network=POOLED, channels=3, size=84, filters=32, queries=15,
                          ways=5, tasks=4, inner_steps=5, learning_rate=0.01),
    "ufo": Cell("Omniglot, 20-way 1-shot, 15 inner steps", "configs/omniglot_20way_1shot_maml.json", **OMNIGLOT,
                ways=20, tasks=5, inner_steps=15, learning_rate=0.1, with_peers=False),
}
