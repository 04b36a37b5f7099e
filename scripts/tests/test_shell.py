"""Tests of the completion in bash and of the manual page, with a program that has the help of a few subcommands."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = """#!/usr/bin/env bash
case "$*" in
  --version) echo "ufo-maml 1.2.3, revision abc" ;;
  --help) cat <<'END'
Trains few-shot learners.
Usage: ufo-maml [OPTIONS] SUBCOMMAND

Options:
  -h,--help                   Print this help message and exit

Subcommands:
  train                       Train an initialisation
  table                       Print runs as one table
  data                        Verify images

Each subcommand has --help with an example.
END
  ;;
  "data --help") printf 'Verify images\\n\\nSubcommands:\\n  verify                      Decode every image\\n' ;;
  "data verify --help") printf 'Decode every image\\n\\nOptions:\\n  -o,--output TEXT            file\\n' ;;
  *) cat <<'END'
Print runs as one table
Usage: ufo-maml table [OPTIONS] RUN...

Positionals:
  RUN TEXT ... REQUIRED       run directories

Options:
  -h,--help                   Print this help message and exit
  --format TEXT:{csv,json,latex,markdown}=markdown
                              markdown, csv, latex or json
  --split TEXT=test           train, validation or test

Example:
  ufo-maml table runs/* --format csv
END
esac
"""


class Shell(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.program = self.folder / "ufo-maml"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def completions(self, *words):
        """What bash offers for the last of `words`."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ufo_maml; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        command = ["bash", "-c", script, "bash", SCRIPTS / "completion/ufo-maml.bash", self.program, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    def test_completes_subcommands_and_those_of_a_subcommand(self):
        self.assertEqual(self.completions("t"), ["train", "table"])
        self.assertEqual(self.completions(""), ["train", "table", "data"])
        self.assertEqual(self.completions("data", ""), ["verify"])

    def test_completes_options_of_the_subcommand(self):
        self.assertEqual(self.completions("table", "run", "--f"), ["--format"])
        self.assertEqual(self.completions("data", "verify", "-"), ["-o", "--output"])
        self.assertEqual(self.completions("table", "ru"), [], "files are left to bash")

    def test_the_manual_page_has_every_subcommand_and_option(self):
        page = self.folder / "ufo-maml.1"
        subprocess.run([sys.executable, SCRIPTS / "manual", "--program", self.program, "-o", page], check=True,
                       timeout=60)
        text = page.read_text()
        for part in ('.TH UFO-MAML 1 "" "ufo-maml 1.2.3"', ".SS ufo\\-maml table", ".SS ufo\\-maml data verify",
                     ".B \\-\\-format TEXT:{csv,json,latex,markdown}=markdown\nmarkdown, csv, latex or json\n",
                     ".B RUN TEXT ... REQUIRED\nrun directories\n", "ufo\\-maml table runs/* \\-\\-format csv\n"):
            self.assertIn(part, text)
        if shutil.which("groff"):
            warnings = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True,
                                      timeout=60).stderr
            self.assertEqual(warnings, "")


if __name__ == "__main__":
    unittest.main()
