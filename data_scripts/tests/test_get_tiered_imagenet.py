"""Tests of get_tiered_imagenet.py on pickles and an ILSVRC2012 that they make themselves."""

import hashlib
import io
import json
import pickle
import struct
import tarfile
import unittest
from unittest import mock

from folder import Folder, Image, add_to_tar, jpeg, needs_both, needs_pillow, numpy

import get_tiered_imagenet
from building import array_pickle
from building.image_folder import Published

FILES = ("train", "val", "test")


def python_2_list(contents):
    """A list of arrays of bytes, [n, 1] each, as pickle of Python 2 writes it: with strings of bytes, all memoized."""
    memo = iter(range(1_000_000))

    def noted(opcodes):
        return opcodes + b"r" + struct.pack("<I", next(memo))

    data = noted(b"\x80\x02]") + b"("
    for content in contents:
        data += noted(b"cnumpy.core.multiarray\n_reconstruct\n") + noted(b"cnumpy\nndarray\n")
        data += noted(noted(b"K\x00\x85") + noted(b"U\x01b") + b"\x87") + noted(b"R") + b"(K\x01"
        data += noted(b"M" + struct.pack("<H", len(content)) + b"K\x01\x86")
        data += noted(noted(noted(b"cnumpy\ndtype\n") + noted(b"U\x02u1") + b"K\x00K\x01\x87") + b"R")
        data += noted(b"(K\x03" + noted(b"U\x01|") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00t") + b"b\x89"
        data += noted(noted(b"T" + struct.pack("<I", len(content)) + content) + b"t") + b"b"
    return data + b"e."


class Tiered(Folder):
    script = get_tiered_imagenet
    published = Published("tieredImageNet", (2, 2, 2), 18)

    def run_script(self, *arguments):
        with mock.patch.multiple(get_tiered_imagenet, PUBLISHED=self.published, MD5=self.md5()):
            return super().run_script(*arguments)

    def md5(self):
        tar = self.folder / "tiered-imagenet.tar"
        return hashlib.md5(tar.read_bytes()).hexdigest() if tar.exists() else ""

    def splits(self):
        return json.loads((self.output / "splits.json").read_text())


@needs_both
class FromPickles(Tiered):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "tiered-imagenet"
        self.source.mkdir()
        self.images = {}
        for number, split in enumerate(FILES):
            self.images[split] = [self.png((90 * number, 30 * image, 7 * image)) for image in range(6)]
            self.write(split, "labels", self.labels())
            self.write(split, "images_png", self.arrays(split))

    def png(self, colour):
        result = io.BytesIO()
        Image.new("RGB", (84, 84), colour).save(result, "PNG")
        return result.getvalue()

    def labels(self, labels=(0, 1, 0, 1, 1, 0)):
        return {"label_specific": numpy.array(labels, numpy.int32), "label_general": numpy.zeros(6, numpy.int32),
                "label_specific_str": ["house finch, linnet", "crane"], "label_general_str": ["bird"]}

    def arrays(self, split):
        return [numpy.frombuffer(png, numpy.uint8).reshape(-1, 1) for png in self.images[split]]

    def write(self, split, kind, content):
        (self.source / f"{split}_{kind}.pkl").write_bytes(pickle.dumps(content, 2))

    def make_tar(self):
        tar_file = self.folder / "tiered-imagenet.tar"
        with tarfile.open(tar_file, "w") as tar:
            for file in sorted(self.source.iterdir()):
                add_to_tar(tar, f"tiered-imagenet/{file.name}", file.read_bytes())
        return tar_file

    def test_writes_the_png_as_they_are_into_a_folder_a_class(self):
        code, out, err = self.run_script(self.source)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.splits()["validation"], ["val000_house_finch", "val001_crane"])
        files = self.files()
        self.assertEqual(files["val000_house_finch/000002.png"], self.images["val"][2])
        self.assertEqual(files["test001_crane/000004.png"], self.images["test"][4])
        self.assertEqual(sum(name.endswith(".png") for name in files), 18)
        self.assertIn("non-commercial research", out)
        self.assertIn("data verify configs/tiered_imagenet_5way_1shot_maml.json", out)

    def test_reads_what_python_2_wrote(self):
        for split in FILES:
            (self.source / f"{split}_images_png.pkl").write_bytes(python_2_list(self.images[split]))
        code, _, err = self.run_script(self.source)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.files()["train001_crane/000003.png"], self.images["train"][3])

    def test_the_tar_gives_the_same_files_as_its_folder(self):
        self.run_script(self.source)
        from_folder = self.files()
        code, _, err = self.run_script(self.make_tar())
        self.assertEqual(code, 0, err)
        self.assertEqual(self.files(), from_folder)

    def test_goes_on_where_it_was_stopped(self):
        self.write("val", "images_png", self.arrays("val")[:3])
        self.assert_refused([self.source], "need 6 images in validation, as it has labels, found 3")
        self.assertFalse((self.output / "splits.json").exists())
        self.write("val", "images_png", self.arrays("val"))
        code, _, err = self.run_script(self.source)
        self.assertEqual(code, 0, err)
        self.assertIn("9 of them there", err)

    def test_holds_one_image_in_memory(self):
        held = []

        def take(array):
            held.append(array)
            self.assertTrue(all(not earlier.data for earlier in held[:-1]))

        big = [numpy.zeros((1000, 1), numpy.uint8) for _ in range(5)]
        for protocol in (2, 3, 4):
            held.clear()
            reader = array_pickle.StreamUnpickler(io.BytesIO(pickle.dumps(big, protocol)), take)
            reader.load()
            self.assertEqual(len(held), 5)
            kept = [value if isinstance(value, tuple) else [value] for value in reader.memo.values()]
            self.assertLess(max(len(part) for parts in kept for part in parts if isinstance(part, (bytes, str))), 100)

    def test_refuses_another_checksum_of_the_tar(self):
        tar = self.make_tar()
        with mock.patch.object(self, "md5", lambda: "0" * 32):
            self.assert_refused([tar], f"need the MD5 {'0' * 32}", "give its folder if you trust it")

    def test_refuses_damaged_and_other_pickles(self):
        for split, kind, content, text in (
            ("train", "labels", self.labels((0, 1, 2, 0, 0, 0)), "train_labels.pkl: need a dict of label_specific"),
            ("train", "labels", [1], "train_labels.pkl: need a dict of label_specific"),
            ("test", "images_png", [numpy.zeros(9, numpy.uint8)], "test_images_png.pkl: need arrays that hold PNG"),
            ("test", "images_png", [print], "a call of __builtin__.print, which was not run"),
        ):
            path = self.source / f"{split}_{kind}.pkl"
            before = path.read_bytes()
            self.write(split, kind, content)
            self.assert_refused([self.source], text)
            path.write_bytes(before)
        path.write_bytes(before[:-40])
        self.assert_refused([self.source], "need a pickle of arrays, found a damaged pickle")
        path.unlink()
        self.assert_refused([self.source], "need test_images_png.pkl, found none")

    def test_refuses_what_is_not_the_whole(self):
        self.published = Published("tieredImageNet", (351, 97, 160), 779165)
        need, found = "need the 351 / 97 / 160 classes and 779165 images", "found 2 / 2 / 2 and 18"
        self.assert_refused([self.source], need, found)


@needs_pillow
class FromImageNet(Tiered):
    published = Published("tieredImageNet", (1, 1, 1), 6)

    def setUp(self):
        super().setUp()
        self.imagenet, self.lists = self.folder / "imagenet", self.folder / "lists"
        self.lists.mkdir()
        for number, split in enumerate(FILES, 1):
            wnid = f"n0000000{number}"
            (self.imagenet / wnid).mkdir(parents=True)
            (self.lists / f"{split}.csv").write_text(f"{wnid},n00000000\n")
            for image in (4, 20):
                (self.imagenet / wnid / f"{wnid}_{image}.JPEG").write_bytes(jpeg((image, 0, 0)))

    def build(self):
        return self.run_script(self.imagenet, "--classes", self.lists)

    def refused(self, *texts):
        self.assert_refused([self.imagenet, "--classes", self.lists], *texts)

    def test_shrinks_every_image_of_the_listed_classes(self):
        code, _, err = self.build()
        self.assertEqual(code, 0, err)
        self.assertEqual(self.splits(), {"train": ["n00000001"], "validation": ["n00000002"], "test": ["n00000003"]})
        with Image.open(self.output / "n00000002/n00000002_20.jpg") as image:
            self.assertEqual((image.format, image.size), ("JPEG", (84, 84)))

    def test_refuses_bad_lists_and_missing_classes(self):
        (self.lists / "val.csv").write_text("n00000001,n00000000\n")
        self.refused("val.csv: need other classes than in train.csv, found n00000001 again")
        (self.lists / "val.csv").write_text("house finch\n")
        self.refused("val.csv:1: need a row as n01530575,n01524359, found 'house finch'")
        (self.lists / "val.csv").write_text("n00000002,n0\nn00000007,n0\n")
        self.refused("need 1 / 1 / 1 classes, found 1 / 2 / 1")
        (self.lists / "val.csv").write_text("n00000007,n0\n")
        self.refused("need 3 classes", "found 2 and not n00000007")
        (self.lists / "val.csv").unlink()
        self.refused("val.csv: need a CSV file")

    def test_needs_a_source_that_exists(self):
        self.assert_refused([self.folder / "none"], "none: need a folder or a tar, found nothing")


if __name__ == "__main__":
    unittest.main()
