"""Bilevel problems of one's own, over Python functions of tensors, differentiated by autograd."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from . import _engine
from ._estimators import Estimator, Memory, MetaGradient, to_call, to_result

Variables = Tensor | Mapping[str, Tensor]
Function = Callable[..., Any]


class Structure:
    """How a tensor, or a dict of tensors, lies in a flat vector."""

    def __init__(self, name: str, value: Variables):
        self.name, self.single = name, isinstance(value, Tensor)
        tensors = _named(value)
        self.shapes = {key: tensor.shape for key, tensor in tensors.items()}
        kinds = {(tensor.dtype, tensor.device) for tensor in tensors.values()}
        if len(kinds) != 1 or not all(tensor.is_floating_point() for tensor in tensors.values()):
            raise ValueError(f"{name}: need tensors of one floating dtype on one device, got "
                             f"{[(key, tensor.dtype, str(tensor.device)) for key, tensor in tensors.items()]}")

    def pack(self, value: Variables) -> Tensor:
        """The flat vector of a `value` of this structure."""
        tensors = _named(value)
        shapes = {key: tensor.shape for key, tensor in tensors.items()}
        if shapes != self.shapes:
            raise ValueError(f"{self.name}: need tensors {_text(self.shapes)}, got {_text(shapes)}")
        return torch.cat([tensors[key].reshape(-1) for key in self.shapes])

    def unpack(self, flat: Tensor) -> Variables:
        """The inverse: views of `flat`."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes.values()])
        tensors = {key: part.reshape(shape) for (key, shape), part in zip(self.shapes.items(), parts)}
        return tensors[""] if self.single else tensors


def _named(value: Variables) -> Mapping[str, Tensor]:
    return {"": value} if isinstance(value, Tensor) else value


def _text(shapes: Mapping[str, torch.Size]) -> dict[str, list[int]]:
    return {key: list(shape) for key, shape in shapes.items()}


def bilevel(outer: Function, inner: Function, theta: Variables, *, steps: int, learning_rate: float,
            initial: Function | Variables | None = None, tasks: Sequence[Any] | None = None,
            estimator: Estimator = "exact", memory: Memory = "store_linearizations",
            keep_tasks: bool = False) -> MetaGradient:
    """The gradient by theta of the mean over the tasks of outer(theta, phi_r), where phi_0 = initial(theta) and
    phi_{j+1} = phi_j - learning_rate * d inner(theta, phi_j) / d phi, for j < r = steps (arXiv 2006.03631).

    outer, inner: functions (theta, phi), or (theta, phi, task) where `tasks` is given, to a loss of no dimension; inner
    twice differentiable. They may use anything that autograd goes through.
    theta: a tensor, or a dict of tensors of one dtype; phi likewise.
    initial: a function theta, or (theta, task), to phi_0; or phi_0 itself, where it does not depend on theta; by default
    theta.
    tasks: a sequence of anything, each item handed to the functions; the result is the mean over them.
    estimator: "exact", "first_order", "reptile" or Ufo(q, seed=...), whose coins are a task's own.
    memory: as of meta_gradient.

    Returns (gradient of the form of theta, loss, NaN, statistics). An exception of a function passes through.
    """
    outer_variables = Structure("theta", theta)
    extra: list[tuple[Any, ...]] = [()] if tasks is None else [(task,) for task in tasks]
    if not extra:
        raise ValueError("bilevel: need at least one task, got none")
    start = _start_function(initial)
    with torch.no_grad():
        inner_variables = Structure("phi_0", start(theta, *extra[0]))

    def losses(name: str, function: Function) -> Callable[[list[int], Tensor, Tensor], Tensor]:
        def rows(numbers: list[int], thetas: Tensor, phis: Tensor) -> Tensor:
            return torch.stack([_loss(name, function(outer_variables.unpack(t), inner_variables.unpack(p), *extra[n]))
                                for n, t, p in zip(numbers, thetas, phis)])
        return rows

    def starts(numbers: list[int], thetas: Tensor) -> Tensor:
        return torch.stack([inner_variables.pack(start(outer_variables.unpack(t), *extra[n]))
                            for n, t in zip(numbers, thetas)])

    raw = _engine.bilevel(losses("outer", outer), losses("inner", inner), starts, len(extra),
                          outer_variables.pack(theta), {"steps": steps, "learning_rate": learning_rate},
                          to_call(estimator, memory, keep_tasks))
    result = to_result(raw, estimator)
    return result._replace(gradient=outer_variables.unpack(result.gradient))


def _start_function(initial: Function | Variables | None) -> Function:
    if initial is None:
        return lambda theta, *task: theta
    if callable(initial):
        return initial
    return lambda theta, *task: initial


def _loss(name: str, loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.dim() != 0:
        found = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"{name}: need a loss of no dimension, got {found}")
    if torch.is_grad_enabled() and not loss.requires_grad:
        raise ValueError(f"{name}: need a loss that depends on theta or phi, got one without a history")
    return loss
