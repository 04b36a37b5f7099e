"""A hyperparameter problem: one weight decay a feature of a logistic regression, learned by the loss on held-out data.

Of 40 features 5 matter, and there are 60 examples: without decay the fit finds meaning in noise. theta are the logarithms
of the decays, phi the weights, the inner loop 50 steps of gradient descent on the training loss; the outer loss is that on
held-out examples. The decays of the features that matter fall, and the others rise.

python examples/weight_decay.py
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

import ufo_maml

FEATURES, MATTER = 40, 5


def examples(count, generator):
    features = torch.randn(count, FEATURES, generator=generator, dtype=torch.float64)
    score = features[:, :MATTER].sum(1) + torch.randn(count, generator=generator, dtype=torch.float64)
    return features, (score > 0).double()


def main(steps=100):
    generator = torch.Generator().manual_seed(1)
    train, held_out, test = (examples(count, generator) for count in (60, 200, 2000))

    def loss(data, weights):
        return cross_entropy(data[0] @ weights, data[1])

    def inner(log_decay, weights):
        return loss(train, weights) + (log_decay.exp() * weights.square()).sum()

    def outer(log_decay, weights):
        return loss(held_out, weights)

    theta = torch.nn.Parameter(torch.full((FEATURES,), -5.0, dtype=torch.float64))
    optimizer = torch.optim.Adam([theta], lr=0.1)
    zeros = torch.zeros(FEATURES, dtype=torch.float64)
    for step in range(steps + 1):
        theta.grad, held_out_loss, _, _ = ufo_maml.bilevel(outer, inner, theta, steps=50, learning_rate=0.5, initial=zeros)
        _, test_loss, _, _ = ufo_maml.bilevel(lambda _, weights: loss(test, weights), inner, theta, steps=50,
                                              learning_rate=0.5, initial=zeros, estimator="first_order")
        if step % 20 == 0:
            matter, rest = theta.detach()[:MATTER].mean(), theta.detach()[MATTER:].mean()
            print(f"step {step:3}  held-out loss {held_out_loss:.3f}  test loss {test_loss:.3f}  "
                  f"mean log decay: of what matters {matter:.2f}, of the rest {rest:.2f}")
        optimizer.step()


if __name__ == "__main__":
    main()
