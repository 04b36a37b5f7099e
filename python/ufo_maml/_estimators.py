"""Which estimate of the meta-gradient, and what it gives."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from torch import Tensor

Memory = Literal["store_linearizations", "store_parameters", "recompute"]


@dataclass
class Ufo:
    """The unbiased first-order estimator G_B + (xi / q) (G - G_B), xi ~ Bernoulli(q) a task (arXiv 2006.03631).

    q: the probability of the exact branch, above 0 and at most 1, or "adaptive": then the one of least variance for the
       work, from running means over the calls.
    base: whose second derivatives G_B keeps: "first_order" (nobody's, as in the paper), "head", or k, those of the last
       k blocks and the head.
    seed, step: the coins of a call are a function of both; every call takes the next step.
    state: what an adaptive q has learned. Save it with step to go on from there.
    """

    q: float | str = 0.1
    base: str | int = "first_order"
    seed: int = 0
    step: int = 0
    state: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Partial:
    """The exact gradient with the second derivatives of the `base` alone: "first_order" (nobody's), "head", or k, those of
    the last k blocks and the head."""

    base: str | int = 1


class Statistics(NamedTuple):
    """How an estimate came about.

    exact_tasks: those whose coin fell on the exact branch.
    bias_squared, norm_squared: means of ||G - G_B||^2 and ||G||^2 over these; NaN where there are none, or no coins.
    gradient_calls, hessian_products: of all tasks together; hessian_products counts whole Hessians.
    task_gradients: [T, P], every task's own estimate, where keep_tasks asked for them; else None.
    """

    tasks: int
    exact_tasks: int
    bias_squared: float
    norm_squared: float
    gradient_calls: int
    hessian_products: int
    task_gradients: Tensor | None


class MetaGradient(NamedTuple):
    """An estimate: the mean over the tasks of gradient, outer loss and accuracy (NaN where nothing is classified)."""

    gradient: Any
    loss: float
    accuracy: float
    statistics: Statistics


Estimator = str | Ufo | Partial


def to_call(estimator: Estimator, memory: Memory, keep_tasks: bool) -> dict[str, Any]:
    """What the engine takes: the options by their names in configs, the coins' seed, and what was learned."""
    options: dict[str, Any] = {"memory": memory}
    coins = Ufo()
    if isinstance(estimator, Ufo):
        coins = estimator
        options |= {"estimator": "ufo", "q": estimator.q, "base": estimator.base}
    elif isinstance(estimator, Partial):
        options |= {"estimator": "partial", **asdict(estimator)}
    elif estimator == "ufo":
        raise ValueError('estimator: need Ufo(q, base, seed), which counts its calls, got "ufo"')
    else:
        options["estimator"] = estimator
    return {"options": options, "seed": coins.seed, "step": coins.step, "state": coins.state, "keep_tasks": keep_tasks}


def to_result(raw: dict[str, Any], estimator: Estimator) -> MetaGradient:
    """The MetaGradient in the dict that the engine gave. Moves a Ufo on to its next step."""
    if isinstance(estimator, Ufo):
        estimator.step += 1
        estimator.state = raw["state"]
    statistics = Statistics(*(raw[name] for name in Statistics._fields))
    return MetaGradient(raw["gradient"], raw["loss"], raw["accuracy"], statistics)
