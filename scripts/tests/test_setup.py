"""Tests of what setup configures and builds, with a cmake that takes notes in place of the real one."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(__file__).resolve().parents[1] / "setup"
STUBS = {
    "bin/dpkg-query": "echo install ok installed",
    "bin/cmake": """echo "$@" >> calls
mkdir -p build/release
for word in "$@"; do
  case $word in -D*) name=${word#-D}; sed -i "/^${name%%=*}:/d" build/release/CMakeCache.txt 2>/dev/null
    echo "${name%%=*}:BOOL=${name#*=}" >> build/release/CMakeCache.txt ;; esac
done""",
    "scripts/python": "true",
}
CONFIGURE, BUILD = "--preset release -DUFO_CUDA=AUTO -DUFO_TESTS=", "--build build/release"


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, commands in STUBS.items():
            stub = self.folder / name
            stub.parent.mkdir(exist_ok=True)
            stub.write_text(f"#!/usr/bin/env bash\n{commands}\n")
            stub.chmod(0o755)
        shutil.copy(SETUP, self.folder / "scripts/setup")

    def calls(self, *options):
        """What setup asks of cmake."""
        (self.folder / "calls").write_text("")
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "LIBTORCH": "/here"}
        subprocess.run([self.folder / "scripts/setup", *options], env=environment, check=True, timeout=60)
        return (self.folder / "calls").read_text().splitlines()

    def test_without_tests_builds_the_program_alone(self):
        self.assertEqual(self.calls("--no-tests"), [CONFIGURE + "OFF", BUILD + " --target ufo-maml"])
        self.assertEqual(self.calls("--no-tests"), [BUILD + " --target ufo-maml"])

    def test_tests_come_when_they_are_asked_for_and_stay(self):
        self.calls("--no-tests")
        self.assertEqual(self.calls(), [CONFIGURE + "ON", BUILD])
        self.assertEqual(self.calls("--no-tests"), [BUILD + " --target ufo-maml"])
        self.assertEqual(self.calls(), [BUILD])

    def test_a_new_tree_gets_tests(self):
        self.assertEqual(self.calls(), [CONFIGURE + "ON", BUILD])


if __name__ == "__main__":
    unittest.main()
