"""scripts/benchmark_peers: checks that all compute the same meta-gradient, then times them in turns."""

import argparse
import datetime
import os
import sys
import tempfile
from pathlib import Path

import torch

from . import agreement, dump, machine, peers, report
from .cells import CELLS, ESTIMATORS
from .contestants import Dropped, Ours, Peer

ROOT = Path(__file__).resolve().parents[2]

DESCRIPTION = """Compare ufo-maml with other implementations of MAML: first check in float64 that all compute the same
meta-gradient, then time all in turns, and write the tables to a Markdown file. A peer that computes another gradient is not timed there; where ours
does, nothing is, and the exit code is 1."""

EPILOG = """examples:
  scripts/benchmark_peers                                                      all of it, about half an hour
  scripts/benchmark_peers --cells omniglot-5way --peers functorch --output -   one cell, printed alone
  scripts/benchmark_peers --rounds 0 --output -                                the agreement alone"""


def parse():
    parser = argparse.ArgumentParser(prog="benchmark_peers", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [word for word in text.split(",") if word]
    parser.add_argument("--peers", type=words, default=["package", "learn2learn", "higher", "torchopt", "functorch", "jax"],
                        metavar="NAME,...", help=f"of {', '.join(peers.MODULES)}; functorch and jax mean both")
    parser.add_argument("--cells", type=words, default=list(CELLS), metavar="NAME,...", help=f"of {', '.join(CELLS)}")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each contestant (default 6)")
    parser.add_argument("--turn-seconds", type=float, default=2, help="how long a turn is to last (default 2)")
    parser.add_argument("--slowest", type=float, default=300,
                        help="seconds after which a contestant's warm-up is given up (default 300)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--output", default=str(ROOT / "docs/benchmarks.md"), metavar="FILE",
                        help="Markdown file, - for none (default docs/benchmarks.md)")
    parser.add_argument("--binary", default=str(ROOT / "build/release/ufo-maml"), help="our program")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE",
                        help="passed on to our program, as --set dataset.root='\"...\"'")
    options = parser.parse_args()
    options.root = ROOT
    options.binary = os.path.abspath(options.binary)
    try:
        options.peers = peers.select(options.peers)
    except ValueError as error:
        parser.error(str(error))
    unknown = [name for name in options.cells if name not in CELLS]
    if unknown:
        parser.error(f"need cells of {', '.join(CELLS)}, got {unknown[0]}")
    return options


def contestants(options, cell, estimator, names, folder):
    path = os.path.join(folder, f"{estimator}.safetensors")
    dump.write(path, cell.random_episode(estimator, cell.tasks, torch.float32))
    yield Ours(options, cell, estimator)
    for name in names:
        yield Peer(options, name, peers.TITLES[name], path, estimator)


def race(options, cell, estimator, names, folder, wrong):
    """The Rows of one cell and estimator, ours first. Those named in `wrong` compute another gradient and do not run."""
    rows, runners = [], []
    for name in wrong:
        row = report.Row(peers.TITLES[name])
        row.note = "computes another gradient (see below), not timed"
        rows.append(row)
    names = [name for name in names if name not in wrong]
    for contestant in contestants(options, cell, estimator, names, folder):
        row = report.Row(contestant.title)
        rows.insert(len(rows) - len(wrong), row)
        try:
            milliseconds = contestant.warm_up()
            steps = max(3, round(options.turn_seconds * 1e3 / milliseconds))
            runners.append((contestant, row, steps))
            progress(f"  {contestant.title}: {milliseconds:.0f} ms, {steps} steps a turn")
        except Dropped as reason:
            row.note = str(reason)
            contestant.close()
            progress(f"  {contestant.title}: {reason}")
    for turn in range(options.rounds):
        for contestant, row, steps in reversed(runners) if turn % 2 else runners:
            try:
                row.turns.append(contestant.turn(steps))
            except Dropped as reason:
                row.note = str(reason)
    for contestant, row, _ in runners:
        contestant.close()
        row.peak, row.working, row.rates = contestant.peak, contestant.working, contestant.rates
    return rows


def progress(text):
    print(text, file=sys.stderr, flush=True)


def command_line():
    """This call without the options that name files of this machine."""
    kept, skip = [], False
    for word in sys.argv[1:]:
        name = word.split("=")[0]
        if not skip and name not in ("--output", "--binary", "--set"):
            kept.append(word)
        skip = not skip and word in ("--output", "--binary", "--set")
    return " ".join(["scripts/benchmark_peers", *kept])


def publish(text, options):
    """Prints the document and writes it to --output."""
    print(text)
    if options.output != "-":
        Path(options.output).write_text(text.rstrip() + "\n")


def check_all(options, folder):
    """{(cell title, estimator): {contestant: error or reason}}"""
    errors = {}
    for cell in map(CELLS.get, options.cells):
        for estimator in ESTIMATORS:
            progress(f"{cell.title}, {estimator}: agreement")
            found = agreement.check(options, cell, estimator, peers_of(options, cell, estimator), folder)
            errors[cell.title, estimator] = found
            progress("  " + ", ".join(f"{name} {value if isinstance(value, str) else f'{value:.1e}'}"
                                      for name, value in found.items()))
    return errors


def time_all(options, folder, errors):
    """The report's sections, one a cell."""
    for cell in map(CELLS.get, options.cells):
        results = {}
        for estimator in ESTIMATORS:
            progress(f"{cell.title}, {estimator}: times")
            wrong = agreement.disagreeing(errors[cell.title, estimator])
            results[estimator] = race(options, cell, estimator, peers_of(options, cell, estimator), folder, wrong)
        yield report.cell_section(cell, results)


def peers_of(options, cell, estimator):
    with_peers = cell.with_peers and ESTIMATORS[estimator].with_peers
    return [name for name in options.peers if with_peers and peers.has(name, estimator)]


def main():
    options = parse()
    if os.getloadavg()[0] > 0.5:
        progress(f"benchmark_peers: the machine is busy (load {os.getloadavg()[0]:.1f}): times will be too long")
    with tempfile.TemporaryDirectory() as folder:
        errors = check_all(options, folder)
        wrong = [(key, name) for key, found in errors.items() for name in agreement.disagreeing(found)]
        ours_is_wrong = any(name not in peers.TITLES for _, name in wrong)
        sections = list(time_all(options, folder, errors)) if options.rounds > 0 and not ours_is_wrong else []
    publish(report.document(
        command_line(), datetime.date.today().isoformat(), machine.hardware(options.device),
        machine.versions(ROOT, options.peers), sections,
        report.agreement_section(errors, agreement.TASKS, agreement.BOUND), options), options)
    for (title, estimator), name in wrong:
        progress(f"benchmark_peers: {name} computes another gradient: {title}, {estimator}")
    sys.exit(1 if ours_is_wrong else 0)


if __name__ == "__main__":
    main()
