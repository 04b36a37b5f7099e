"""Tests of get_cifar_few_shot.py on archives like CIFAR-100's that they make themselves."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import tarfile
import unittest
from unittest import mock

from folder import Folder, Image, add_to_tar, needs_both, numpy

import get_cifar_few_shot
from building import cifar100
from building.download import Archive
from building.image_folder import Published

CLASSES = sorted(name for names in cifar100.CIFAR_FS.values() for name in names)
SUPERCLASSES = sorted(name for names in cifar100.FC100.values() for name in names)
EACH = {"train": 2, "test": 1}  # images a class


class Lists(unittest.TestCase):
    def test_have_the_published_numbers_of_classes_and_none_twice(self):
        self.assertEqual([len(names) for names in cifar100.CIFAR_FS.values()], [64, 16, 20])
        self.assertEqual([5 * len(names) for names in cifar100.FC100.values()], [60, 20, 20])
        self.assertEqual((len(set(CLASSES)), len(set(SUPERCLASSES))), (100, 20))


class Attack:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@needs_both
class FromArchive(Folder):
    script = get_cifar_few_shot

    def setUp(self):
        super().setUp()
        random = numpy.random.default_rng(1)
        self.contents = {"meta": {b"fine_label_names": [name.encode() for name in CLASSES],
                                  b"coarse_label_names": [name.encode() for name in SUPERCLASSES]}}
        for name, each in EACH.items():
            fine = [label for label in range(100) for _ in range(each)]
            self.contents[name] = {
                b"data": random.integers(0, 256, (100 * each, 3072), dtype=numpy.uint8),
                b"fine_labels": fine,
                b"coarse_labels": [label // 5 for label in fine],
            }
        self.source, self.archive = self.folder / "source.tar.gz", self.folder / "data/cifar-100-python.tar.gz"
        self.write()

    def write(self):
        with tarfile.open(self.source, "w:gz", compresslevel=1) as tar:
            for name, content in self.contents.items():
                add_to_tar(tar, f"cifar-100-python/{name}", pickle.dumps(content, 2))

    def refused(self, *texts):
        self.write()
        with contextlib.suppress(FileNotFoundError):
            self.archive.unlink()
        code, out, err = self.run_script("cifar_fs")
        self.assertEqual((code, out), (2, ""), err)
        for text in texts:
            self.assertIn(text, err.splitlines()[-1])

    def run_script(self, dataset, *arguments):
        md5 = hashlib.md5(self.source.read_bytes()).hexdigest() if self.source.exists() else "0" * 32
        archive = Archive(self.source.as_uri(), md5, 169, "https://page")
        published = {"cifar_fs": Published("CIFAR-FS", (64, 16, 20), 300),
                     "fc100": Published("FC100", (60, 20, 20), 300)}
        with mock.patch.multiple(get_cifar_few_shot, ARCHIVE=archive, PUBLISHED=published):
            return super().run_script(dataset, "--archive", self.archive, *arguments)

    def test_builds_cifar_fs_with_the_pixels_as_they_are(self):
        code, out, err = self.run_script("cifar_fs")
        self.assertEqual(code, 0, err)
        for name, each in EACH.items():
            for index in (0, 57, 100 * each - 1):
                with Image.open(self.output / CLASSES[index // each] / f"{name}_{index:05d}.png") as image:
                    pixels = self.contents[name][b"data"][index].reshape(3, 32, 32).transpose(1, 2, 0)
                    self.assertTrue((numpy.asarray(image) == pixels).all())
        self.assertEqual(json.loads((self.output / "splits.json").read_text()),
                         {split: sorted(names) for split, names in cifar100.CIFAR_FS.items()})
        self.assertIn("validation: 16 classes, 48 images", out)
        self.assertIn("Krizhevsky", out)
        self.assertIn("data verify configs/cifar_fs_5way_1shot_maml.json", out)
        self.assertEqual(self.run_script("cifar_fs", "--verify")[0], 0)

    def test_builds_fc100_by_superclasses_from_the_same_archive(self):
        self.assertEqual(self.run_script("fc100")[0], 0)
        splits = json.loads((self.output / "splits.json").read_text())
        self.assertEqual([len(names) for names in splits.values()], [60, 20, 20])
        superclass = SUPERCLASSES.index("people")
        self.assertLess(set(CLASSES[5 * superclass : 5 * superclass + 5]), set(splits["test"]))

    def test_downloads_once_and_keeps_the_archive(self):
        self.run_script("cifar_fs")
        with mock.patch("urllib.request.urlopen", side_effect=AssertionError):
            self.assertEqual(self.run_script("cifar_fs")[0], 0)

    def test_goes_on_where_it_was_stopped(self):
        with mock.patch.object(get_cifar_few_shot, "as_png", side_effect=[b"1", b"2", KeyboardInterrupt]):
            self.assertEqual(self.run_script("cifar_fs")[0], 130)
        self.assertFalse((self.output / "splits.json").exists())
        code, _, err = self.run_script("cifar_fs")
        self.assertEqual(code, 0, err)
        self.assertIn("2 of them there", err)

    def test_says_what_to_do_by_hand_where_the_link_is_dead(self):
        self.source.unlink()
        code, _, err = self.run_script("cifar_fs")
        self.assertEqual(code, 1)
        self.assertIn(f"put it at {self.archive}.", err)
        self.assertIn("Where the link is dead, https://page has the new one.", err)

    def test_refuses_an_archive_with_another_checksum(self):
        self.archive.parent.mkdir()
        self.archive.write_bytes(b"another")
        self.assert_refused(["cifar_fs"], str(self.archive), "need the archive of https://page with the MD5", "found ")

    def test_refuses_damaged_archives_and_runs_no_code(self):
        self.contents["test"][b"coarse_labels"] = Attack()
        self.refused("/test: need a pickle of arrays", "mkdir, which was not run")
        self.contents["test"] = {b"data": 1}
        self.refused("/test: need a dict of data, fine_labels, coarse_labels")
        del self.contents["test"]
        self.refused("found no test")

    def test_refuses_other_labels_shapes_and_counts(self):
        train = self.contents["train"]
        labels, train[b"fine_labels"] = train[b"fine_labels"], [100] + train[b"fine_labels"][1:]
        self.refused("/train: need 200 labels below 100")
        train[b"fine_labels"] = labels[1:]
        self.refused("/train: need 200 labels below 100")
        train[b"fine_labels"] = labels
        data, train[b"data"] = train[b"data"], train[b"data"].astype(numpy.float32)
        self.refused("/train: need data of u1 and shape (N, 3072), found f4")
        train.update({key: value[:199] for key, value in ((b"data", data), (b"fine_labels", labels),
                                                         (b"coarse_labels", train[b"coarse_labels"]))})
        self.refused("need the 64 / 16 / 20 classes and 300 images of CIFAR-FS, found 64 / 16 / 20 and 299")
        self.assertFalse((self.output / "splits.json").exists())

    def test_refuses_a_file_that_is_no_tar(self):
        self.write = lambda: self.source.write_bytes(b"no tar")
        self.refused("need CIFAR-100's python archive, a tar.gz")

    def test_needs_the_name_of_a_data_set(self):
        with self.assertRaises(SystemExit) as stop, contextlib.redirect_stderr(io.StringIO()):
            get_cifar_few_shot.main([])
        self.assertEqual(stop.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
