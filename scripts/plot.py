#!/usr/bin/env python3
"""Draws figures from what ufo-maml writes. `scripts/plot` runs this with matplotlib installed;
any Python with matplotlib does too."""

import argparse
import json
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.ticker import EngFormatter, MaxNLocator  # noqa: E402

# One look for all figures: colours that colour-blind readers tell apart (Okabe and Ito), a marker or dashes
# beside each colour so that they also differ in grey print, text that stays text in SVG (so no formulas in
# labels: viewers without matplotlib's fonts garble them).
STYLE = {
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "ufo-maml",
}
BLUE, ORANGE, GREEN, PINK, BLACK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#777777"
ESTIMATORS = {
    "first_order": {"color": ORANGE, "linestyle": "--"},
    "ufo": {"color": BLUE, "linestyle": "-"},
    "exact": {"color": GREEN, "linestyle": "-."},
    "reptile": {"color": PINK, "linestyle": ":"},
}
NAMES = {"first_order": "first-order", "ufo": "UFO", "exact": "exact", "reptile": "Reptile"}
LINES = [(BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PINK, ":"), (BLACK, (0, (5, 1, 1, 1, 1, 1))),
         (GREY, (0, (7, 2)))]
MARKERS = "osD^vP"
GRADIENT_CALLS = "gradient calls + 2 × Hessian products"


class InputError(Exception):
    """A file is missing or is not what it should be."""


def read_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"need a JSON file at {path}: {error}") from error


def count_axis(axis):
    """Few ticks at whole numbers, thousands as k and millions as M."""
    axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(EngFormatter(sep=" "))


def label_of(entry):
    name = NAMES.get(entry["estimator"], entry["estimator"])
    return f"{name}, q = {entry['q']:g}" if entry.get("q") else name


# ---------------------------------------------------------------- experiments


def counterexample(args):
    """Two tasks; the objective with the ends of the runs; the gradient norm against the outer step."""
    data = read_json(args.file)
    figure, (tasks, objective, norms) = plt.subplots(1, 3, figsize=(10, 3.1), width_ratios=(1, 1, 1.25))
    landscape, family = data["landscape"], data["family"]
    x, values = landscape["x"], landscape["meta_objective"]

    tasks.plot(x, landscape["first_task"], color=BLACK, label="task 1")
    tasks.plot(x, landscape["second_task"], color=GREY, linestyle="--", label="task 2")
    tasks.set(title="The two tasks", xlabel="x", ylabel="loss", ylim=(0, None))
    tasks.legend(loc="upper center")

    objective.plot(x, values, color=BLACK, linewidth=1.2)
    for entry, marker in zip(data["estimators"], ("v", "^", "")):
        if marker:
            ends = [run["end"] for run in entry["runs"]]
            objective.plot(ends, np.interp(ends, x, values), marker, color=ESTIMATORS[entry["estimator"]]["color"],
                           markersize=6, alpha=0.6, markeredgewidth=0, label=label_of(entry))
    margin = 1.6 * abs(family["first_order_limit"] - family["optimum"])
    low, high = sorted((family["first_order_limit"], family["optimum"]))
    objective.set(title="The objective, and where SGD ends", xlabel="θ", ylabel="M(θ)",
                  xlim=(low - margin, high + margin))
    seen = np.interp(np.linspace(low - margin, high + margin, 200), x, values)
    objective.set_ylim(seen.min() - 0.08 * np.ptp(seen), seen.max())
    objective.legend(loc="upper center")

    steps = data["steps"][1:]
    bound = family["gradient_norm_at_first_order_limit"]
    norms.axhline(bound, color=BLACK, linewidth=0.8, linestyle=":")
    norms.annotate("√(2D)", (1, bound), xycoords=("axes fraction", "data"), xytext=(3, 0),
                   textcoords="offset points", va="center", annotation_clip=False)
    smallest = bound
    for entry in data["estimators"]:
        style = ESTIMATORS[entry["estimator"]]
        runs = [run["gradient_norms"][1:] for run in entry["runs"]]
        for run in runs:
            norms.plot(steps, run, color=style["color"], alpha=0.22, linewidth=0.6)
        means = np.mean(runs, axis=0)
        norms.plot(steps, means, label=label_of(entry), **style)
        smallest = min(smallest, means.min())
    norms.set(title=f"Gradient of M: {len(runs)} runs and their mean", xscale="log", yscale="log",
              xlabel="outer step k", ylabel="|M′(θₖ)|", xlim=(steps[0], steps[-1]))
    norms.set_ylim(bottom=smallest / 5)
    norms.legend(loc="upper right")
    return figure


def hypercleaning(args):
    """Accuracy and detection against the work done, and the weights that were learned."""
    data = read_json(args.file)
    figure, (accuracy, auc, weights) = plt.subplots(1, 3, figsize=(10, 3.1))
    runs = list(zip(data["runs"], ("-", (0, (5, 1)), "-", "--"), (GREEN, PINK, BLUE, ORANGE)))
    for run, dashes, color in runs:
        work = [record["gradients"] for record in run["records"]]
        style = {"color": color, "linestyle": dashes, "label": label_of(run)}
        accuracy.plot(work, [100 * record["test_accuracy"] for record in run["records"]], **style)
        auc.plot(work, np.array([record["auc"] for record in run["records"]], dtype=float), **style)
    right = accuracy.get_xlim()[1]
    for key, text in (("oracle_accuracy", "right labels only"), ("uncleaned_accuracy", "all equal"),
                      ("validation_only_accuracy", "validation set only")):
        level = 100 * data[key]
        accuracy.axhline(level, color=GREY, linewidth=0.8, linestyle=":")
        accuracy.annotate(text, (right, level), xytext=(0, 2), textcoords="offset points", ha="right",
                          fontsize=7.5, color=GREY)
    for axes in (accuracy, auc):
        count_axis(axes.xaxis)
    accuracy.set(title="Accuracy of the classifier", xlabel=GRADIENT_CALLS, ylabel="test accuracy, %")
    auc.set(title="Wrong labels told by their low weight", xlabel=GRADIENT_CALLS, ylabel="area under the ROC curve",
            ylim=(0.45, 1.02))
    auc.legend(loc="lower right")

    learned = next(run for run in data["runs"] if run["estimator"] == "exact")["weights"]
    edges = np.linspace(0, 1, 26)
    for wrong, color, look, text in ((0, BLUE, {"alpha": 0.5}, "right label"),
                                     (1, ORANGE, {"histtype": "step", "linewidth": 1.6}, "wrong label")):
        chosen = [weight for weight, flag in zip(learned, data["corrupted"]) if flag == wrong]
        weights.hist(chosen, bins=edges, color=color, label=text, **look)
    weights.set(title="Weights learned with the exact gradient", xlabel="weight of a training example",
                ylabel="examples", xlim=(0, 1))
    weights.legend(loc="upper center")
    return figure


def advise(args):
    """The best q of UFO by what a base leaves out and what exact costs, with the bases that advise measured."""
    data = read_json(args.file)
    figure, (plane, curves) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(1.1, 1))
    choices = [(choice["config"]["meta_gradient"], choice) for choice in data["choices"]]
    exact = min(choice["variance_times_cost"] for options, choice in choices if options["estimator"] == "exact")

    share, ratio = np.meshgrid(np.geomspace(5e-4, 2, 100), np.geomspace(0.2, 50, 100))
    inside = np.clip(share, None, 1 - 1e-9)
    best = np.sqrt(inside / ((1 - inside) * ratio))
    levels = [0.05, 0.1, 0.2, 0.4, 0.7, 1]
    plane.contourf(share, ratio, best, levels=[0, *levels], cmap="Blues_r", alpha=0.55)
    lines = plane.contour(share, ratio, best, levels=levels, colors=GREY, linewidths=0.6)
    height = 0.35  # of the labels, where all lines cross the plane
    plane.clabel(lines, fmt=lambda q: f"{q:g}", fontsize=7.5, colors=BLACK,
                 manual=[(level ** 2 * height / (1 + level ** 2 * height), height) for level in levels])
    plane.annotate("take exact", (1.05, 8), rotation=90, fontsize=8, va="center")
    plane.set(title="The best q, and the bases as measured", xscale="log", yscale="log",
              xlabel="D² / V²: what the base leaves out", ylabel="extra cost of the exact branch / cost of the base")

    q = np.geomspace(0.03, 1, 200)
    for i, base in enumerate(data["bases"]):
        name = {"first_order": "first-order", "head": "head"}.get(base["base"], f"head and last {base['base']}")
        color, dashes = LINES[i % len(LINES)]
        marker = MARKERS[i % len(MARKERS)]
        plane.plot(base["share_of_v2"], base["cost_ratio"], marker, color=color, markersize=6, label=name)
        cost = next(choice["gradient_calls"] for options, choice in choices
                    if options["estimator"] == ("first_order" if base["base"] == "first_order" else "partial")
                    and options.get("base", "first_order") == base["base"])

        def product(q, base=base, cost=cost):
            return ((data["v2"] + (1 / q - 1) * base["d2"]) * cost * (1 + q * base["cost_ratio"])) / exact

        curves.plot(q, product(q), color=color, linestyle=dashes, label=name)
        curves.plot(base["q"], product(base["q"]), marker, color=color, markersize=6)
    curves.axhline(1, color=BLACK, linewidth=0.8, linestyle=":")
    curves.annotate("exact", (1, 1), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                    va="center", annotation_clip=False)
    curves.set(title=f"UFO's variance times cost over {data['tasks']} tasks", xscale="log", xlabel="q",
               ylabel="in units of exact's", ylim=(0, 3))
    curves.legend(title="on the base", loc="lower left", fontsize=8, ncols=2)
    return figure


# ---------------------------------------------------------------- runs


def read_records(run):
    """The records of a run's metrics.jsonl."""
    path = Path(run) / "metrics.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"need a run directory with metrics at {path}: {error}") from error


def run_label(run):
    """The folder's name: runs of one method differ in what only their name tells."""
    return Path(run).resolve().name


def validation_curve(run):
    """Outer steps, gradient calls so far, and validation accuracies in percent.

    metrics.jsonl has the calls of the steps that were logged; each of these stands for the steps since the one
    before it.
    """
    steps, calls, accuracies = [], [], []
    total, last_logged, per_step = 0.0, 0, 0.0
    for record in read_records(run):
        if record["split"] == "train":
            per_step = record["gradient_calls"] + 2 * record["hessian_products"]
            total += (record["step"] - last_logged) * per_step
            last_logged = record["step"]
        elif record["split"] == "validation":
            steps.append(record["step"])
            calls.append(total + (record["step"] - last_logged) * per_step)
            accuracies.append(100 * record["accuracy"])
    if not steps:
        raise InputError(f"need validations in {Path(run) / 'metrics.jsonl'}, found none")
    return steps, calls, accuracies


def curves(args):
    """Validation accuracy against outer step and against gradient calls."""
    figure, (by_step, by_calls) = plt.subplots(1, 2, figsize=(8, 3.1), sharey=True)
    for i, run in enumerate(args.runs):
        steps, calls, accuracies = validation_curve(run)
        color, dashes = LINES[i % len(LINES)]
        style = {"color": color, "linestyle": dashes, "marker": MARKERS[i % len(MARKERS)], "markersize": 3.5,
                 "markevery": max(len(steps) // 12, 1), "label": run_label(run)}
        by_step.plot(steps, accuracies, **style)
        by_calls.plot(calls, accuracies, **style)
    for axes in (by_step, by_calls):
        count_axis(axes.xaxis)
    by_step.set(xlabel="outer step", ylabel="validation accuracy, %", xlim=(0, None))
    by_calls.set(xlabel=GRADIENT_CALLS, xlim=(0, None))
    by_calls.legend(loc="lower right")
    return figure


def steps(args):
    """Test accuracy after each inner step, with its 95% interval."""
    figure, (whole, adapted) = plt.subplots(1, 2, figsize=(8, 3.1))
    for i, run in enumerate(args.runs):
        path = Path(run) / "evaluation" / "test.json"
        if not path.exists():
            raise InputError(f"need an evaluated run: {path} is not there (ufo-maml evaluate {run})")
        result = read_json(path)
        members = len(result.get("ensemble", []))
        label = run_label(run) + (f", ensemble of {members}" if members else "")
        accuracies = 100 * np.array(result["accuracy_after_step"], dtype=float)
        intervals = 100 * np.array(result["interval_after_step"], dtype=float)
        at = np.arange(len(accuracies))
        color, dashes = LINES[i % len(LINES)]
        for axes, first in ((whole, 0), (adapted, 1)):
            axes.plot(at[first:], accuracies[first:], color=color, linestyle=dashes, label=label,
                      marker=MARKERS[i % len(MARKERS)], markersize=4)
            axes.fill_between(at[first:], (accuracies - intervals)[first:], (accuracies + intervals)[first:],
                              color=color, alpha=0.2, linewidth=0)
    for axes, title in ((whole, "From the initialisation on"), (adapted, "From the first step on")):
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set(title=title, xlabel="inner step", ylabel="test accuracy, % (band: 95% interval)")
    whole.legend(loc="lower right")
    return figure


def cost(args):
    """Time and memory of an outer step against the value that a benchmark swept."""
    table = read_json(args.file)
    lines = {}
    for row in table["rows"]:
        lines.setdefault((row["estimator"], row.get("memory", ""), row.get("q")), []).append(row)
    figure, (time, memory) = plt.subplots(1, 2, figsize=(8, 3.1))
    has_second_order = {"exact", "ufo"}
    for i, ((estimator, mode, q), rows) in enumerate(lines.items()):
        rows.sort(key=lambda row: row["value"])
        color, dashes = LINES[i % len(LINES)]
        label = label_of({"estimator": estimator, "q": q if estimator == "ufo" else None})
        if mode and estimator in has_second_order:
            label += ", " + mode.replace("_", " ")
        style = {"color": color, "linestyle": dashes, "marker": MARKERS[i % len(MARKERS)], "markersize": 4,
                 "label": label}
        values = [row["value"] for row in rows]
        time.plot(values, [row["milliseconds_per_step"] for row in rows], **style)
        memory.plot(values, [row["peak_tensor_bytes"] / 1e6 for row in rows], **style)
    xlabel = "inner steps r" if table["path"] == "inner.steps" else table["path"]
    for axes, ylabel in ((time, "time of an outer step, ms"), (memory, "peak memory of tensors, MB")):
        axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    time.legend()
    return figure


# ---------------------------------------------------------------- command line


def parse(arguments):
    parser = argparse.ArgumentParser(prog="plot", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="FIGURE")
    for function, inputs in ((counterexample, "file"), (hypercleaning, "file"), (advise, "file"), (curves, "runs"),
                             (steps, "runs"), (cost, "file")):
        meaning = function.__doc__
        command = commands.add_parser(function.__name__, description=meaning,
                                      help=meaning.replace("%", "%%"))  # in a help alone % is special
        if inputs == "file":
            command.add_argument("file", metavar="FILE.json")
        else:
            command.add_argument("runs", metavar="RUN", nargs="+", help="run directory")
        command.add_argument("-o", "--output", required=True, metavar="FIGURE", help="PNG or SVG file to write")
        command.set_defaults(draw=function)
    args = parser.parse_args(arguments)
    if Path(args.output).suffix not in (".png", ".svg"):
        parser.error(f"need an output that ends with .png or .svg, got {args.output}")
    return args


def main(arguments=None):
    args = parse(arguments)
    try:
        with plt.rc_context(STYLE):
            figure = args.draw(args)
            figure.savefig(args.output, metadata={"Date": None} if args.output.endswith(".svg") else None)
    except (InputError, OSError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    except (KeyError, TypeError, IndexError) as error:
        print(f"plot: the input lacks what {args.draw.__name__} needs: {error!r}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
