"""Tests of get_omniglot.py against a server of their own on 127.0.0.1."""

import contextlib
import hashlib
import http.server
import io
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import get_omniglot  # noqa: E402

CONTENT = {name: bytes(range(256)) * size for name, size in (("a.zip", 2000), ("b.zip", 10))}
MD5 = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT as the class attributes say."""

    ranges = True
    cut_after = None  # bytes of a body after which the connection is dropped
    requests = []

    def do_GET(self):
        name = self.path.lstrip("/")
        wanted = self.headers.get("Range")
        Handler.requests.append((name, wanted))
        if name not in CONTENT:
            self.send_error(404)
            return
        body, start = CONTENT[name], 0
        if wanted and Handler.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: Handler.cut_after])

    def log_message(self, *_):
        pass


class GetOmniglot(unittest.TestCase):
    def setUp(self):
        Handler.ranges, Handler.cut_after, Handler.requests = True, None, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.output = Path(folder.name) / "omniglot"

    def get(self, url=None, checksums=MD5):
        """The exit code, and what was printed to standard output and error."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = get_omniglot.get(url or self.url, self.output, checksums)
        return code, out.getvalue(), err.getvalue()

    def assert_complete(self):
        self.assertEqual({file.name: file.read_bytes() for file in self.output.iterdir()}, CONTENT)

    def test_downloads_and_checks(self):
        code, out, err = self.get()
        self.assertEqual((code, err), (0, ""))
        self.assertIn("a.zip: downloaded, MD5 is right", out)
        self.assert_complete()

    def test_fetches_nothing_that_is_there(self):
        self.get()
        Handler.requests.clear()
        code, out, _ = self.get()
        self.assertEqual(code, 0)
        self.assertIn("a.zip: already there\n", out)
        self.assertEqual(Handler.requests, [])

    def test_keeps_an_archive_with_another_checksum(self):
        self.output.mkdir()
        (self.output / "a.zip").write_bytes(b"packed again")
        code, out, _ = self.get()
        self.assertEqual(code, 0)
        self.assertIn("with another MD5 than the official archive; kept", out)
        self.assertEqual((self.output / "a.zip").read_bytes(), b"packed again")

    def test_resumes_a_part(self):
        self.output.mkdir()
        (self.output / "a.zip.part").write_bytes(CONTENT["a.zip"][:1000])
        self.assertEqual(self.get()[0], 0)
        self.assertEqual(Handler.requests, [("a.zip", "bytes=1000-"), ("b.zip", None)])
        self.assert_complete()

    def test_resumes_after_a_dropped_connection(self):
        Handler.cut_after = 100_000
        code, _, err = self.get()
        self.assertEqual(code, 1)
        self.assertIn("run again to resume", err)
        self.assertEqual((self.output / "a.zip.part").stat().st_size, 100_000)
        self.assertFalse((self.output / "a.zip").exists())
        Handler.cut_after = None
        self.assertEqual(self.get()[0], 0)
        self.assertIn(("a.zip", "bytes=100000-"), Handler.requests)
        self.assert_complete()

    def test_takes_a_part_that_was_complete(self):
        self.output.mkdir()
        (self.output / "a.zip.part").write_bytes(CONTENT["a.zip"])
        self.assertEqual(self.get()[0], 0)
        self.assert_complete()

    def test_begins_anew_where_the_server_cannot_resume(self):
        Handler.ranges = False
        self.output.mkdir()
        (self.output / "a.zip.part").write_bytes(b"x" * 1000)
        self.assertEqual(self.get()[0], 0)
        self.assert_complete()

    def test_refuses_a_wrong_checksum(self):
        code, _, err = self.get(checksums={"a.zip": "0" * 32})
        self.assertEqual(code, 1)
        self.assertIn(f"need the MD5 {'0' * 32}, got {MD5['a.zip']}", err)
        self.assertEqual(list(self.output.iterdir()), [])

    def test_says_what_to_do_by_hand(self):
        self.server.shutdown()
        self.server.server_close()
        code, _, err = self.get()
        self.assertEqual(code, 1)
        self.assertIn(f"cannot fetch {self.url}/a.zip: ", err)
        self.assertIn(f"download {self.url}/a.zip", err)
        self.assertIn(MD5["a.zip"], err)
        self.assertIn(f"put it at {self.output / 'a.zip'}.", err)

    def test_a_missing_file_is_one_failure(self):
        code, out, err = self.get(checksums={"c.zip": "0" * 32, "b.zip": MD5["b.zip"]})
        self.assertEqual(code, 1)
        self.assertIn("c.zip: Not Found", err)
        self.assertIn("b.zip: downloaded", out)

    def test_names_an_output_that_cannot_be_written(self):
        self.output.write_text("a file")
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            code = get_omniglot.main(["--output", str(self.output), "--base-url", self.url])
        self.assertEqual(code, 1)
        self.assertIn(f"cannot write to {self.output}: File exists", err.getvalue())


if __name__ == "__main__":
    unittest.main()
