"""What the tests of all scripts share: a folder of their own, and images and tars to put there."""

import contextlib
import io
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    from PIL import Image
except ImportError:
    Image = None
try:
    import numpy
except ImportError:
    numpy = None
needs_pillow = unittest.skipIf(Image is None, "needs Pillow: python3 -m pip install pillow")
needs_both = unittest.skipIf(
    Image is None or numpy is None, "needs Pillow and numpy: python3 -m pip install pillow numpy"
)


def jpeg(colour, size=(120, 90), mode="RGB"):
    result = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(result, "JPEG", quality=95)
    return result.getvalue()


def add_to_tar(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


class Folder(unittest.TestCase):
    """Runs the module `script` with the folder `output_name` as its --output."""

    script, output_name = None, "output"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.output = self.folder / self.output_name

    def run_script(self, *arguments):
        """The exit code, and what was printed to standard output and error."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = self.script.main([*map(str, arguments), "--output", str(self.output)])
        return code, out.getvalue(), err.getvalue()

    def assert_refused(self, arguments, *texts):
        """One line on standard error that has the texts, and exit code 2."""
        code, out, err = self.run_script(*arguments)
        lines = [line for line in err.splitlines() if not line.startswith("Building ")]
        self.assertEqual((code, out, len(lines)), (2, "", 1), err)
        for text in texts:
            self.assertIn(text, lines[0])

    def files(self):
        files = [file for file in self.output.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.output)): file.read_bytes() for file in files}
