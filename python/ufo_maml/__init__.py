"""Meta-gradients for PyTorch: MAML's exact one, first-order, partial, and UFO, the unbiased first-order estimate of
arXiv 2006.03631, by the hand-written derivatives of UFO-MAML.

Shapes: T tasks, S support and R query images a task, N ways, images [C, H, W]; theta is a flat vector of the P parameters
of a network, and phi [T, P] is what the inner loop makes of it. The outer optimizer is torch.optim's:

    network = ufo_maml.Network("conv4", ways=5, filters=64)
    theta = torch.nn.Parameter(network.initial(seed=1))
    optimizer = torch.optim.Adam([theta], lr=1e-3)
    theta.grad, loss, accuracy, _ = ufo_maml.meta_gradient(network, theta, *episodes, inner={"learning_rate": 0.4})
    optimizer.step()
"""

from importlib.metadata import version

import torch

from . import _engine

if torch.__version__.split(".")[:2] != _engine.torch_version.split(".")[:2]:
    raise ImportError(f"ufo_maml: need torch {_engine.torch_version}, which it was compiled against, got "
                      f"{torch.__version__}: install the package again")

from ._bilevel import bilevel
from ._estimators import MetaGradient, Partial, Statistics, Ufo
from ._few_shot import adapt, meta_gradient, predict
from ._module import Classifier
from ._network import Network
from ._runs import load_run, save

__version__ = version("ufo_maml")
__all__ = ["Classifier", "MetaGradient", "Network", "Partial", "Statistics", "Ufo", "adapt", "bilevel", "load_run",
           "meta_gradient", "predict", "save"]
