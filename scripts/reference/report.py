"""docs/benchmarks.md: the results as Markdown."""

import statistics
from dataclasses import dataclass, field

from .cells import ESTIMATORS


@dataclass
class Row:
    """A contestant's result in one cell and estimator."""

    title: str
    turns: list = field(default_factory=list)  # median milliseconds of each turn
    peak: int = 0
    working: int = 0
    rates: list = field(default_factory=list)  # ours: (GFLOP/s, the matrix product's) of each turn
    note: str = ""  # why there is no time

    @property
    def median(self):
        return statistics.median(self.turns) if self.turns else None


METHOD = """## How it was measured

All ran in one go, in float32, with every CPU they may use. Each contestant and estimator is a process of its own. After
a warm-up they take turns: a turn is several steps in a row (about {turn_seconds:g} s of them, at least 3), and its
time is the median of its steps. Every second round goes in the opposite order. The tables give the median over {rounds}
rounds and, in brackets, the fastest and the slowest turn; "times ours" is the ratio of the medians.

A step of ufo-maml is a whole outer step on real episodes: drawing them, the meta-gradient, the outer optimizer. A step
of a peer, and of the Python package, is the meta-gradient alone, from tensors of random images that lie ready in memory.
The peers are in `scripts/reference/peers`.

Peak memory is the resident memory of the process at its highest, in MB of 10^6 bytes. The last column is the part that
the steps need: for a peer the growth over the peak before the first step, for ufo-maml the peak of its tensors and
buffers{device_memory}.
"""

AGREEMENT = """## Do they compute the same?

Before any timing, each one's mean meta-gradient was compared with that of torch.func, a task at a time, in float64, on
the same weights and episodes ({tasks} tasks of each cell). The table shows |difference| / |gradient|; the bound is
{bound:g}.
"""


def table(header, rows, numeric=()):
    align = ["---:" if i in numeric else "---" for i in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, align, *rows)) + "\n"


def milliseconds(value):
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def result_row(row, ours, tasks):
    if not row.turns:
        return [row.title, row.note, "", "", "", ""]
    ratio = f"{row.median / ours.median:.2f}" if ours and ours.turns else ""
    time = f"{milliseconds(row.median)} [{milliseconds(min(row.turns))} .. {milliseconds(max(row.turns))}]"
    return [row.title, time, ratio, f"{tasks * 1e3 / row.median:,.0f}",
            f"{row.peak / 1e6:,.0f}", f"{row.working / 1e6:,.0f}"]


def cell_section(cell, results):
    """`results`: {estimator: [Row]}, ours first."""
    network = "stride 2, spatial mean" if not cell.network.pool else "2x2 max-pool"
    text = (f"### {cell.title}\n\n{cell.tasks} tasks, {cell.inner_steps} inner step{'s' * (cell.inner_steps > 1)}, "
            f"{cell.ways * cell.shots} support and {cell.ways * cell.queries} query images of "
            f"{cell.size}x{cell.size}x{cell.channels} a task, {cell.filters} filters, {network}.\n")
    header = ["ms a step", "times ours", "tasks/s", "peak memory", "of it for the steps"]
    for estimator, rows in results.items():
        ours = next((row for row in rows if row.title == "ufo-maml"), None)
        lines = [result_row(row, ours, cell.tasks) for row in rows]
        text += "\n" + table([ESTIMATORS[estimator].title, *header], lines, numeric=range(1, 6))
    return text + summary(results)


def summary(results):
    """How our estimators compare with each other, and with the fastest peer."""
    text = ""
    ours = {estimator: rows[0] for estimator, rows in results.items() if rows[0].turns}
    for estimator in ours:
        if estimator != "first_order" and "first_order" in ours:
            ratio = ours[estimator].median / ours["first_order"].median
            text += f"\nufo-maml: {ESTIMATORS[estimator].title} takes {ratio:.2f} times first-order.\n"
    for estimator, row in ours.items():
        gflops, gemm = (statistics.median(rates) for rates in zip(*row.rates))
        text += (f"\nufo-maml, {ESTIMATORS[estimator].title}: {gflops:.0f} GFLOP/s over the whole step, "
                 f"{gflops / gemm:.0%} of this machine's matrix product.\n")
        peers = [peer for peer in results[estimator][1:] if peer.turns and not peer.title.startswith("ufo")]
        if peers:
            fastest = min(peers, key=lambda peer: peer.median)
            text += (f"\nThe fastest peer, {ESTIMATORS[estimator].title}: {fastest.title}, "
                     f"{fastest.median / row.median:.2f} times ours.\n")
    return text


def agreement_section(errors, tasks, bound):
    """`errors`: {(cell title, estimator): {contestant: number or reason}}."""
    names = list(dict.fromkeys(name for row in errors.values() for name in row))
    reasons = []

    def entry(value):
        if not isinstance(value, str):
            return f"{value:.1e}"
        if value not in reasons:
            reasons.append(value)
        return f"none ({reasons.index(value) + 1})" if value else ""
    lines = [[title, ESTIMATORS[estimator].title, *(entry(row.get(name, "")) for name in names)]
             for (title, estimator), row in errors.items()]
    text = AGREEMENT.format(tasks=tasks, bound=bound) + "\n" + table(["cell", "estimator", *names], lines)
    notes = [f"({i + 1}) {reason}" for i, reason in enumerate(reasons) if reason]
    return text + ("\n" + "; ".join(notes) + ".\n" if notes else "")


def document(command, date, hardware, versions, sections, agreement, options):
    device_memory = "" if options.device == "cpu" else " (of the GPU's memory)"
    return "\n".join([
        "# Benchmarks against other implementations\n",
        f"Written by `{command}` on {date}.\n",
        table(["hardware", ""], [[*row] for row in hardware]),
        table(["software", ""], [[*row] for row in versions]),
        "## Results\n", *sections, agreement,
        METHOD.format(turn_seconds=options.turn_seconds, rounds=options.rounds, device_memory=device_memory)])
