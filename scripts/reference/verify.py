"""scripts/verify_gradient: recomputes files of `ufo-maml gradient` with torch.func and compares."""

import argparse
import sys

import torch

from . import dump
from .meta_gradients import mean_over_tasks, task_gradients
from .networks import cross_entropy

DESCRIPTION = """Recompute meta-gradients that `ufo-maml gradient` wrote, with torch.func in float64 (and in float32
for a float32 file), and compare. Exit code 0 if all are within their bounds, 1 if not, 2 if a file is no such file."""

EPILOG = """example:
  build/release/ufo-maml gradient configs/quickstart.json --dtype float64 --output gradient.safetensors
  scripts/verify_gradient gradient.safetensors

Of each parameter block it prints |difference| / |whole gradient| and |difference| / |block|. Bounds: 1e-8 for a
float64 file; 1e-3 for a float32 file of at most one inner step; 0.25 for a float32 file of more steps, where one ReLU
that flips early moves every implementation by percents (so check in float64). A block whose gradient is zero but for
rounding, as that of a bias before batch norm is, counts as having 1e-4 (float32: 1e-2) of the whole gradient's norm.
Where the inner loop is Adam, which divides such a block by its own root mean square, the bound is 1e-3 (0.25)."""

FLOORS = {torch.float64: 1e-4, torch.float32: 1e-2}


def bound(file):
    if file.inner.optimizer == "adam":  # which enlarges what is nothing but rounding, as of biases before batch norm
        return 1e-3 if file.dtype == torch.float64 else 0.25
    if file.dtype == torch.float64:
        return 1e-8
    return 1e-3 if file.inner.steps <= 1 else 0.25


def recompute(file, dtype):
    """(mean gradient, task gradients) of the dump by torch.func in `dtype`."""
    file = file.to(dtype)
    by_task = task_gradients(file.estimator, cross_entropy(file.network), file.inner, file.theta, file.tasks,
                             file.coins, file.q, file.base)
    return mean_over_tasks(by_task), by_task


def norm(gradient):
    return torch.stack([value.double().norm() for value in gradient.values()]).norm().item()


def difference(ours, reference):
    return {name: ours[name].double() - reference[name].double() for name in reference}


def by_block(ours, reference, floor):
    """[(name, |difference| / |whole|, |difference| / max(|block|, floor * |whole|))]"""
    whole = norm(reference)
    rows = []
    for name, value in difference(ours, reference).items():
        error, block = value.norm().item(), reference[name].double().norm().item()
        rows.append((name, error / whole, error / max(block, floor * whole)))
    return rows


def task_errors(ours, reference):
    """|difference| / |whole| of each task."""
    tasks = len(next(iter(reference.values())))
    pick = lambda gradient, t: {name: value[t] for name, value in gradient.items()}
    return [norm(difference(pick(ours, t), pick(reference, t))) / norm(pick(reference, t)) for t in range(tasks)]


def verify(path):
    """Prints the comparison of one file; true if it is within its bound."""
    file = dump.read(path)
    tasks, limit = len(file.tasks.support_labels), bound(file)
    support = file.metadata.get("batch_norm") == "support"
    print(f"{path}: {file.estimator}, {file.inner.steps} inner steps, {tasks} tasks, {str(file.dtype)[6:]}"
          + (", batch norm by support statistics" if support else ""))
    passed = True
    for dtype in dict.fromkeys((torch.float64, file.dtype)):
        mean, by_task = recompute(file, dtype)
        rows = by_block(file.gradient, mean, FLOORS[file.dtype])
        whole = norm(difference(file.gradient, mean)) / norm(mean)
        worst = max([whole] + [row[2] for row in rows])
        print(f"  torch.func in {str(dtype)[6:]}:{'':{22}}of the whole  of the block")
        for name, of_whole, of_block in rows:
            print(f"    {name:38s}{of_whole:12.1e}{of_block:14.1e}")
        print(f"    {'all':38s}{whole:12.1e}")
        if file.task_gradient:
            worst_task = max(task_errors(file.task_gradient, by_task))
            worst = max(worst, worst_task)
            print(f"    {'worst task':38s}{worst_task:12.1e}")
        within = worst <= limit  # a NaN is not
        print(f"    {'passed' if within else 'FAILED'}: largest {worst:.1e}, bound {limit:g}")
        passed &= within
    return passed


def main():
    parser = argparse.ArgumentParser(prog="verify_gradient", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="written by `ufo-maml gradient`")
    arguments = parser.parse_args()
    try:
        results = [verify(path) for path in arguments.files]
    except (OSError, ValueError) as error:
        print(f"verify_gradient: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
