"""MAML on Omniglot, 5-way 1-shot: PyTorch's optimizer on ufo_maml's meta-gradient.

python examples/maml_omniglot.py [--steps 1000] [--estimator exact|first_order|ufo] [--output FILE.safetensors]
"""

import argparse
import time

import omniglot
import torch

import ufo_maml

INNER = {"steps": 1, "learning_rate": 0.4}
WAYS, SHOTS, QUERIES, META_BATCH, FILTERS, RATE = 5, 1, 5, 16, 32, 2e-3


def train(network, images, steps, estimator):
    """theta [P] after as many steps of Adam."""
    generator = torch.Generator().manual_seed(1)
    theta = torch.nn.Parameter(network.initial(seed=1).to(images.dtype))
    optimizer = torch.optim.Adam([theta], lr=RATE)
    start = time.perf_counter()
    for step in range(1, steps + 1):
        batch = omniglot.episodes(images, META_BATCH, WAYS, SHOTS, QUERIES, generator)
        theta.grad, loss, accuracy, _ = ufo_maml.meta_gradient(network, theta, *batch, inner=INNER, estimator=estimator)
        optimizer.step()
        if step % 100 == 0 or step == steps:
            milliseconds = (time.perf_counter() - start) * 1e3 / step
            print(f"step {step}  loss {loss:.3f}  accuracy {100 * accuracy:.1f}%  {milliseconds:.1f} ms a step", flush=True)
    return theta.detach()


def test(network, theta, images, tasks=600, inner_steps=3):
    """Mean and 95% interval of the accuracy on test episodes, with 15 query images a class."""
    generator = torch.Generator().manual_seed(2)
    support, labels, query, query_labels = omniglot.episodes(images, tasks, WAYS, SHOTS, 15, generator)
    phi = ufo_maml.adapt(network, theta, support, labels, inner=INNER | {"steps": inner_steps})
    predicted = ufo_maml.predict(network, phi, query, support).argmax(-1)
    accuracy = (predicted == query_labels).double().mean(1)
    return float(accuracy.mean()), float(1.96 * accuracy.std() / tasks ** 0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--estimator", choices=["exact", "first_order", "ufo"], default="exact")
    parser.add_argument("--output", help="where to leave the weights, for load_run and the program's --checkpoint")
    options = parser.parse_args()
    estimator = ufo_maml.Ufo(q=0.3, base=1, seed=1) if options.estimator == "ufo" else options.estimator
    network = ufo_maml.Network("conv4", ways=WAYS, image=(1, 28, 28), filters=FILTERS)
    theta = train(network, omniglot.characters("background"), options.steps, estimator)
    accuracy, interval = test(network, theta, omniglot.characters("evaluation"))
    print(f"test accuracy {100 * accuracy:.2f} ± {100 * interval:.2f}%")
    if options.output:
        ufo_maml.save(options.output, network.module(theta))


if __name__ == "__main__":
    main()
