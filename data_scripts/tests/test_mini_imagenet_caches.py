"""Tests of get_mini_imagenet.py on cache files that they make themselves, some of which try to run code."""

import io
import os
import pickle
import shutil
import unittest
from unittest import mock

from folder import Image, needs_both, numpy
from test_get_mini_imagenet import CLASSES, Folder, get_mini_imagenet

from building import array_pickle


class Attack:
    """Unpickled by pickle itself, this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Pickles(Folder):
    def test_a_pickle_that_runs_code_does_not(self):
        mark = self.folder / "ran"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            data = pickle.dumps({"image_data": Attack(mark), "class_dict": {}}, protocol)
            with self.assertRaisesRegex(array_pickle.PickleError, r"a call of \w+\.mkdir, which was not run"):
                array_pickle.load(io.BytesIO(data))
            self.assertFalse(mark.exists())
        pickle.loads(data)  # so the attack would have worked
        self.assertTrue(mark.exists())

    def test_refuses_what_reaches_through_the_stand_ins(self):
        for data in (
            b"cnumpy\nndarray.__init__.__globals__\n.",
            b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
            b"cbuiltins\neval\n(S'1'\ntR.",
            b"cbuiltins\ngetattr\n.",
            b"P0\n.",
            b"\x82\x01.",
        ):
            with self.assertRaises(array_pickle.PickleError):
                array_pickle.load(io.BytesIO(data))

    def test_reads_plain_values_and_python_2_text(self):
        self.assertEqual(array_pickle.load(io.BytesIO(b"(dS'a'\n(lI1\naI2\nas.")), {b"a": [1, 2]})

    def test_refuses_damaged_pickles(self):
        whole = pickle.dumps({"image_data": list(range(100))}, 2)
        for data in (b"", whole[:-20], b"no pickle", whole[:10] + b"\xff" + whole[11:]):
            with self.assertRaises(array_pickle.PickleError):
                array_pickle.load(io.BytesIO(data))


@needs_both
class FromCaches(Folder):
    def setUp(self):
        super().setUp()
        self.sources = self.folder / "caches"
        self.sources.mkdir()
        self.images = numpy.random.default_rng(1).integers(0, 256, (4, 84, 84, 3), dtype=numpy.uint8)
        for split, wnid in CLASSES.items():
            self.write(split, {"image_data": self.images, "class_dict": {wnid: [2, 0], wnid + "b": [3, 1]}})

    def write(self, split, content, protocol=2):
        (self.sources / f"mini-imagenet-cache-{split}.pkl").write_bytes(pickle.dumps(content, protocol))

    def refused(self, content, *texts):
        self.write("train", content)
        self.assert_refused([self.sources], "mini-imagenet-cache-train.pkl: ", *texts)

    def assert_built(self):
        for wnid in CLASSES.values():
            for label, indices in ((wnid, [2, 0]), (wnid + "b", [3, 1])):
                for place, index in enumerate(indices, 1):
                    with Image.open(self.output / "images" / f"{label}_{place:04d}.png") as image:
                        self.assertTrue((numpy.asarray(image) == self.images[index]).all())

    def test_pixels_stay_as_they_are(self):
        code, out, err = self.run_script(*sorted(self.sources.iterdir()))
        self.assertEqual(code, 0, err)
        self.assert_built()
        lines = (self.output / "val.csv").read_text().splitlines()
        self.assertEqual(lines[:3], ["filename,label", "n00000002_0001.png,n00000002", "n00000002_0002.png,n00000002"])
        self.assertIn("not the whole of Mini-ImageNet", out)
        self.assertIn("non-commercial research", out)
        self.assertEqual(self.run_script("--verify")[0], 0)

    def test_reads_every_protocol_and_form_of_indices(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            array = numpy.array([2, 0])
            for indices in ([2, 0], (2, 0), array, array.astype(">i2"), range(2, -1, -2), list(array)):
                with self.subTest(protocol=protocol, indices=indices):
                    shutil.rmtree(self.output, ignore_errors=True)
                    for split, wnid in CLASSES.items():
                        classes = {wnid: indices, wnid + "b": [3, 1]}
                        self.write(split, {"image_data": self.images, "class_dict": classes}, protocol)
                    code, _, err = self.run_script(self.sources)
                    self.assertEqual(code, 0, err)
                    self.assert_built()

    def test_goes_on_where_it_was_stopped(self):
        with mock.patch.object(get_mini_imagenet, "as_png", side_effect=[b"1", b"2", KeyboardInterrupt]):
            self.assertEqual(self.run_script(self.sources)[0], 130)
        for name in ("n00000001_0001.png", "n00000001_0002.png"):
            (self.output / "images" / name).unlink()  # not the pixels of the cache
        code, _, err = self.run_script(self.sources)
        self.assertEqual(code, 0, err)
        self.assert_built()

    def test_a_cache_file_that_runs_code_is_refused(self):
        mark = self.folder / "ran"
        self.refused({"image_data": self.images, "class_dict": Attack(mark)}, "mkdir, which was not run")
        self.assertFalse(mark.exists())

    def test_refuses_other_contents(self):
        classes = {"a": [0]}
        for content, text in (
            ([1, 2], "need a dict of image_data and class_dict"),
            ({"image_data": self.images}, "need a dict of image_data and class_dict"),
            ({"image_data": self.images.astype(numpy.float32), "class_dict": classes}, "found f4 and (4, 84, 84, 3)"),
            ({"image_data": self.images[:, :32], "class_dict": classes}, "found u1 and (4, 32, 84, 3)"),
            ({"image_data": numpy.array([{}]), "class_dict": classes}, "found an array of Python objects"),
            ({"image_data": numpy.asfortranarray(self.images), "class_dict": classes}, "whose last axis is slowest"),
            ({"image_data": 7, "class_dict": classes}, "found None and None"),
            ({"image_data": self.images, "class_dict": {"a": [0, 0]}}, "found 0 in a"),
            ({"image_data": self.images, "class_dict": {"a": [4]}}, "found 4 in a"),
            ({"image_data": self.images, "class_dict": {"a": [-1]}}, "found -1 in a"),
            ({"image_data": self.images, "class_dict": {"a": ["0"]}}, "need a dict of image_data and class_dict"),
            ({"image_data": self.images, "class_dict": {"../a": [0]}}, "found '../a'"),
            ({"image_data": self.images, "class_dict": {}}, "need at least one image"),
        ):
            with self.subTest(text=text):
                shutil.rmtree(self.output, ignore_errors=True)
                self.refused(content, text)

    def test_refuses_a_class_in_two_splits(self):
        self.write("test", {"image_data": self.images, "class_dict": {CLASSES["train"]: [0]}})
        self.assert_refused([self.sources], "test.pkl: need other classes than in train", "n00000001")

    def test_needs_all_three_files_and_nothing_else(self):
        train, val = (self.sources / f"mini-imagenet-cache-{split}.pkl" for split in ("train", "val"))
        self.assert_refused([train, val], "found none of test")
        self.assert_refused([train, train], "need one cache file of train")
        self.assert_refused([self.sources, self.folder], f"found {self.folder} too")
        shutil.copy(train, self.folder / "other.pkl")
        self.assert_refused([self.folder / "other.pkl"], "need train, val or test in the name")


if __name__ == "__main__":
    unittest.main()
