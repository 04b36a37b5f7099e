"""Few-shot classification: the inner objective is the mean cross-entropy of the support images, the outer one that of the
query images. All functions raise ValueError where a tensor is not what they need, and say what they got."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from . import _engine
from ._estimators import Estimator, Memory, MetaGradient, to_call, to_result
from ._network import Network


def meta_gradient(network: Network, theta: Tensor, support_images: Tensor, support_labels: Tensor, query_images: Tensor,
                  query_labels: Tensor, *, inner: Mapping[str, Any] | None = None, estimator: Estimator = "exact",
                  memory: Memory = "store_linearizations", keep_tasks: bool = False) -> MetaGradient:
    """The meta-gradient of `network` at theta [P], the mean over T tasks.

    support_images [T, S, C, H, W] and query_images [T, R, C, H, W] of the dtype, float32 or float64, and on the device of
    theta; support_labels [T, S] and query_labels [T, R], integers from 0 to N - 1.
    inner: {"steps": r, "learning_rate": alpha, ...}, as the group `inner` of a config, for the *mean* cross-entropy; what
    is not given is 1 step at 0.4. With learned rates theta is [P + R], as Network.initial(inner=...) begins it.
    estimator: "exact", "first_order", "reptile", "partial" or Partial(base), or Ufo(q, base, seed).
    memory: what the way back through second derivatives keeps: "store_linearizations" (fastest), "store_parameters", or
    "recompute" (nothing).

    Returns (gradient [P], loss, accuracy, statistics). On the CPU every task has a thread of its own, of
    torch.get_num_threads(), and the result does not depend on their number. Releases the GIL.
    """
    raw = _engine.meta_gradient(network._engine, theta, support_images, support_labels, query_images, query_labels,
                                dict(inner or {}), to_call(estimator, memory, keep_tasks))
    return to_result(raw, estimator)


def adapt(network: Network, theta: Tensor, support_images: Tensor, support_labels: Tensor, *,
          inner: Mapping[str, Any] | None = None, steps: int | None = None) -> Tensor:
    """phi [T, P]: theta [P], or [P + R] with learned rates, after the inner steps on support_images [T, S, C, H, W] with
    labels [T, S]. `steps` are other steps than `inner` has, as many as a test takes; rates learned a step go on with the
    last one's. Releases the GIL."""
    return _engine.adapt(network._engine, theta, support_images, support_labels, dict(inner or {}), steps)


def predict(network: Network, phi: Tensor, query_images: Tensor, support_images: Tensor) -> Tensor:
    """Probabilities [T, R, N] of query_images [T, R, C, H, W] under phi [T, P] of `adapt`. The support images
    [T, S, C, H, W] are looked at where the network has batch_norm="support". Releases the GIL."""
    return _engine.predict(network._engine, phi, query_images, support_images)
