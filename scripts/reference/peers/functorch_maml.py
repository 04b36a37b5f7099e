"""Meta-gradients by torch.func: all tasks at once by vmap, or a task at a time.

vmap stands outside: in PyTorch 2.11 grad(vmap(grad(...))) through F.batch_norm gives wrong values without a word.
"""

from functools import partial

from torch.func import vmap

from ..meta_gradients import ESTIMATORS, Task, mean_over_tasks
from ..networks import cross_entropy


def make(name, episode, estimator):
    estimate = partial(ESTIMATORS[estimator], cross_entropy(episode.network), episode.inner, episode.theta)
    if name == "functorch-loop":
        return partial(loop, estimate, episode.tasks)
    by_task = vmap(lambda *task: estimate(Task(*task)))
    return lambda: mean_over_tasks(by_task(*episode.tasks))


def loop(estimate, tasks):
    total = {}
    rows = [Task(*row) for row in zip(*tasks)]
    for row in rows:
        for key, value in estimate(row).items():
            total[key] = total[key] + value if key in total else value
    return {key: value / len(rows) for key, value in total.items()}
