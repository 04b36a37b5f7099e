"""The file of `ufo-maml gradient`: safetensors with a meta-gradient and all that is needed to compute it again.

Tensors: theta.<name>, support_images [T,S,C,H,W], support_labels [T,S], query_images, query_labels,
gradient.<name> (mean over the T tasks), task_gradient.<name> [T,...].
Metadata: estimator, base, q, inner_steps, inner_learning_rate, batch_norm_eps, stride, coins; also batch_norm (batch, which
is meant where it is absent, support or per_step), negative_slope (0 where absent), and model, filters, blocks, kernel,
pool, ways, which are read from the shapes where absent (a network of stride 1 pools unless `pool` says false); and
inner_adapt, inner_norm, inner_rate_body, inner_rate_head (0: inner_learning_rate), outer_weights, inner_weight_decay and
head (linear, zero, shared, prototype; the last three need ways), where absent all, true, 0, 0, [], 0 and linear; and
inner_optimizer (gradient_descent, which is meant where it is absent, or adam) and inner_batch (0: all). Learned
rates are theta.inner.rates.<name>, batch norm's parameters of inner step j > 0 theta.inner.norm.<j>.<name>, and Adam's
state theta.inner.adam.square.<name> and theta.inner.adam.weight, with what it becomes as its gradient.
Networks other than conv4 have no stride.
"""

import json
import os
import re
from dataclasses import dataclass, field

import torch
from safetensors import SafetensorError, safe_open

from .meta_gradients import Inner, Task
from .networks import STARTS, Conv4, Mlp, ResNet12

DTYPE_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64"}


@dataclass
class Dump:
    theta: dict
    tasks: Task
    gradient: dict = field(default_factory=dict)
    task_gradient: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)

    @property
    def dtype(self):
        return next(iter(self.theta.values())).dtype

    @property
    def estimator(self):
        return self.metadata["estimator"]

    @property
    def inner(self):
        weights = self.metadata.get("outer_weights") or "[]"
        norm = self.metadata.get("inner_norm", "true") == "true" and self.metadata.get("batch_norm") != "per_step"
        return Inner(int(self.metadata["inner_steps"]), float(self.metadata["inner_learning_rate"]),
                     self.metadata.get("inner_adapt") or "all", float(self.metadata.get("inner_rate_body") or 0),
                     float(self.metadata.get("inner_rate_head") or 0), tuple(json.loads(weights)),
                     STARTS[self.metadata.get("head") or "linear"](self.network, int(self.metadata.get("ways") or 0)),
                     float(self.metadata.get("inner_weight_decay") or 0), norm,
                     self.metadata.get("inner_optimizer") or "gradient_descent",
                     int(self.metadata.get("inner_batch") or 0))

    @property
    def q(self):
        return float(self.metadata.get("q") or 1)

    @property
    def base(self):
        return self.metadata.get("base") or "first_order"

    @property
    def coins(self):
        """0 or 1 a task, from "[1,0]", "1,0", "10" or "[true, false]"; empty for the other estimators."""
        words = re.findall(r"[01]|true|false", self.metadata.get("coins", ""))
        return [int(word in ("1", "true")) for word in words]

    @property
    def network(self):
        if network_of(self.theta) is Mlp:
            return Mlp()
        mode = self.metadata.get("batch_norm", "batch")
        if mode not in ("batch", "support", "per_step"):
            raise ValueError(f"need batch_norm of batch, support or per_step, got {mode}")
        norm = float(self.metadata["batch_norm_eps"]), mode == "support"
        if network_of(self.theta) is ResNet12:
            return ResNet12(*norm)
        stride = int(self.metadata["stride"])
        pool = self.metadata.get("pool", "true" if stride == 1 else "false") in ("true", "1")
        return Conv4(stride, pool, *norm, negative_slope=float(self.metadata.get("negative_slope") or 0))

    def to(self, dtype):
        """theta and the images in another dtype; the recorded gradients stay as they were written."""
        convert = lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor
        return Dump({name: convert(value) for name, value in self.theta.items()},
                    Task(*map(convert, self.tasks)), self.gradient, self.task_gradient, self.metadata)


def network_of(theta):
    """The class of the network whose parameters these are."""
    first = {"blocks.0.conv.weight": Conv4, "layer1.conv1.weight": ResNet12, "layers.0.weight": Mlp}
    return next((network for name, network in first.items() if name in theta), None)


METADATA = {Conv4: ["batch_norm_eps", "stride"], ResNet12: ["batch_norm_eps"], Mlp: []}


def read(path, with_gradient=True):
    """The Dump in `path`. Raises ValueError where a tensor or a key is missing or of another shape.

    `with_gradient=False` takes a file of weights and tasks alone too.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file: {error}") from error
    group = lambda prefix: {name.removeprefix(prefix): value for name, value in tensors.items()
                            if name.startswith(prefix)}
    theta, gradient = group("theta."), group("gradient.")
    if theta and network_of(theta) is None:
        raise ValueError(f"{path}: need the parameters of conv4, resnet12 or mlp, got {', '.join(theta)}")
    keys = ["estimator", "inner_steps", "inner_learning_rate", *METADATA.get(network_of(theta), [])]
    missing = [name for name in Task._fields if name not in tensors] + [key for key in keys if key not in metadata]
    missing += [f"gradient.{name} {list(value.shape)}" for name, value in theta.items()
                if with_gradient and (name not in gradient or gradient[name].shape != value.shape)]
    if missing or not theta:
        raise ValueError(f"{path}: not a gradient dump: no {missing[0] if missing else 'theta.<name>'}")
    return Dump(theta, Task(*(tensors[name] for name in Task._fields)), gradient, group("task_gradient."), metadata)


def write(path, dump):
    """Writes `dump` as safetensors: the same values give the same bytes."""
    tensors = {f"{prefix}.{name}": value for prefix in ("theta", "gradient", "task_gradient")
               for name, value in getattr(dump, prefix).items()}
    write_tensors(path, tensors | dump.tasks._asdict(), dump.metadata)


def write_tensors(path, tensors, metadata=None):
    """A safetensors file of CPU tensors by name and of string metadata."""
    header, chunks, offset = {"__metadata__": dict(sorted((metadata or {}).items()))}, [], 0
    for name, tensor in sorted(tensors.items()):
        chunk = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": DTYPE_NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(chunk)]}
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{path}.part", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(chunks))
    os.replace(f"{path}.part", path)
