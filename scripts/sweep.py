"""Searches options of a config: trains once a trial and looks for the best validation accuracy, with Optuna.

Each --search names an option and where to look: PATH=LOW..HIGH between two numbers (whole ones where both are),
PATH=log:LOW..HIGH the same by their logarithms, PATH=A,B,C among these values. --set holds others fixed, such as a
shorter schedule. The folder --study keeps it all: study.db (Optuna's, SQLite), a run directory a trial, and answer.json
with the best options so far, which scripts/reproduce --answer takes. The same command goes on where it was stopped, in
the midst of a trial too, and with more --trials it looks further. A training that fails, as by diverging, counts as 0%.
Exit code: 0 done, 1 no trial trained or the program was killed, 2 bad usage, 130 / 143 after SIGINT / SIGTERM.

example: the inner rate of first-order MAML
  scripts/sweep configs/omniglot_5way_1shot_fomaml.json --study runs/sweep --trials 12 \\
    --search inner.learning_rate=log:0.05..5 --set outer.steps=3000
  scripts/reproduce omniglot_5way_1shot --answer runs/sweep/answer.json
"""
import argparse
import json
import os
import pathlib
import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from program import Failed, Program, find_program, metrics, set_words

RANDOM_TRIALS = 5  # before the search learns from what it has seen
FAILED = 0.0  # the accuracy of a training that failed, so that the search keeps away from its options


class UsageError(Exception):
    """What the user asked for cannot be done: needed, found, where."""


def value_of(text):
    """A JSON value, or a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def search_of(text):
    """The path of an option and Optuna's distribution, as --search has them."""
    path, _, where = text.partition("=")
    low, between, high = where.removeprefix("log:").partition("..")
    try:
        if not between and path and "," in where:
            return path, CategoricalDistribution([value_of(value) for value in where.split(",")])
        low, high, log = json.loads(low), json.loads(high), where.startswith("log:")
        whole = isinstance(low, int) and isinstance(high, int)
        if not path or not low < high or (log and low <= 0):
            raise ValueError
        return path, (IntDistribution if whole else FloatDistribution)(low, high, log=log)
    except (ValueError, TypeError):
        need = "PATH=LOW..HIGH, PATH=log:LOW..HIGH or PATH=A,B,C"
        raise argparse.ArgumentTypeError(f"need {need}, got {text}") from None


def assignments_of(options):
    return [f"{path}={json.dumps(value)}" for path, value in options.items()]


def ends(where):
    return where.choices if isinstance(where, CategoricalDistribution) else (where.low, where.high)


class Sweep:
    """A study in a folder."""

    def __init__(self, program, arguments):
        self.program, self.config, self.folder = program, arguments.config, arguments.study
        self.search, self.seed = dict(arguments.search), arguments.seed
        self.device = ["--device", arguments.device] if arguments.device else []
        self.fixed = arguments.set
        resolved = self.resolve()
        for end in (0, -1):  # refuses what no trial could have, before all of them
            self.resolve(assignments_of({path: ends(where)[end] for path, where in self.search.items()}))
        if not resolved["validation"]["every"]:
            raise UsageError(f"{self.config}: need validation.every above 0 to compare trials by, got 0")
        self.folder.mkdir(parents=True, exist_ok=True)
        storage = f"sqlite:///{(self.folder / 'study.db').resolve()}"
        self.study = optuna.create_study(storage=storage, study_name="sweep", direction="maximize", load_if_exists=True)
        self.check({"config": resolved, "search": {path: str(where) for path, where in self.search.items()}})

    def resolve(self, assignments=()):
        words = set_words([*self.fixed, *assignments])
        return json.loads(self.program.call("config", self.config, *words, show_errors=False))

    def check(self, wanted):
        """Throws UsageError where the folder holds the study of another config or search."""
        found = self.study.user_attrs.get("sweep")
        if found is None:
            self.study.set_user_attr("sweep", wanted)
        elif found != wanted:
            other = next(key for key in wanted if found.get(key) != wanted[key])
            problem = f"need a study of this {other}, found one of another; choose another --study"
            raise UsageError(f"{self.folder}: {problem}")

    def trials(self, *states):
        """Those of any of `states`, or all."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def next_trial(self):
        """The number and options of a trial that was stopped, or of a new one."""
        for trial in self.trials(TrialState.RUNNING):
            return trial.number, trial.params
        # By its number, so that a search that was stopped draws what one that was not draws.
        self.study.sampler = optuna.samplers.TPESampler(
            seed=self.seed + len(self.trials()), n_startup_trials=RANDOM_TRIALS)
        trial = self.study.ask(self.search)
        return trial.number, trial.params

    def run(self):
        """Trains one trial, and tells the study its best validation accuracy."""
        number, options = self.next_trial()
        folder = self.folder / f"trial_{number:03d}"
        words = [*self.device, *set_words([*self.fixed, *assignments_of(options)])]
        print(f"sweep: trial {number}: {' '.join(assignments_of(options))}", file=sys.stderr)
        try:
            self.program.train(self.config, folder, words)
            accuracies = [record["accuracy"] for record in metrics(folder) if record["split"] == "validation"]
        except Failed as problem:
            if problem.code != 1:  # the usage or the data is wrong, or the program was killed: no fault of the options
                raise
            print(f"sweep: trial {number}: {problem}", file=sys.stderr)
            accuracies = [FAILED]
        self.study.tell(number, max(accuracies))
        if self.study.best_value > FAILED:
            self.write_answer()

    def write_answer(self):
        best = self.study.best_trial
        answer = {"config": self.config.stem, "options": best.params, "validation_accuracy": best.value,
                  "trial": best.number, "trials": len(self.trials(TrialState.COMPLETE)), "set": self.fixed}
        path = self.folder / "answer.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(answer, indent=2) + "\n")
        os.replace(part, path)

    def print_table(self):
        print("| trial | " + " | ".join(self.search) + " | validation accuracy, % |")
        print("|---" * (len(self.search) + 2) + "|")
        for trial in self.trials(TrialState.COMPLETE):
            value = f"{100 * trial.value:.2f}" if trial.value else "failed"
            cells = [json.dumps(trial.params.get(path)) for path in self.search]
            print(f"| {trial.number} | " + " | ".join(cells) + f" | {value} |")
        best = self.study.best_trial
        print(f"\nbest: trial {best.number}, {' '.join(assignments_of(best.params))}; {self.folder / 'answer.json'}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="scripts/sweep")
    add = parser.add_argument
    add("config", type=pathlib.Path, metavar="CONFIG")
    add("--study", type=pathlib.Path, required=True, metavar="DIR", help="folder of the study and its runs")
    add("--search", action="append", required=True, type=search_of, metavar="PATH=WHERE",
        help="an option to search, as inner.learning_rate=log:0.05..5; may be given several times")
    add("--trials", type=int, default=20, help="trials in all, those of earlier calls too (default: %(default)s)")
    add("--set", action="append", default=[], metavar="PATH=VALUE", help="hold an option fixed")
    add("--seed", type=int, default=1, help="of the search (default: %(default)s)")
    add("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    add("--program", help="ufo-maml to use (default: build/release/ufo-maml, built where it is not)")
    arguments = parser.parse_args()
    if arguments.trials < 1:
        parser.error(f"--trials: need at least 1, got {arguments.trials}")
    return arguments


def main():
    arguments = parse_arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    program = Program(find_program(arguments.program, arguments.device))
    try:
        sweep = Sweep(program, arguments)
        while len(sweep.trials(TrialState.COMPLETE)) < arguments.trials:
            sweep.run()
    except (Failed, UsageError) as problem:
        print(f"sweep: {problem}", file=sys.stderr)
        return 2 if isinstance(problem, UsageError) or problem.code == 2 else 1
    if not (sweep.folder / "answer.json").exists():
        print(f"sweep: {sweep.folder}: need a trial that trains to its end, found none", file=sys.stderr)
        return 1
    sweep.print_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())
