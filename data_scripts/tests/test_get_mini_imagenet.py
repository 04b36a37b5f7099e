"""Tests of get_mini_imagenet.py on an ILSVRC2012 that they make themselves."""

import csv
import io
import shutil
import sys
import tarfile
import unittest
from unittest import mock

import folder
from folder import Image, add_to_tar, jpeg, needs_pillow

import get_mini_imagenet
from building import imagenet, images

CLASSES = {"train": "n00000001", "val": "n00000002", "test": "n00000003"}
# In the order of their numbers 4, 20, 100; sorted as text they would be 100, 20, 4.
NUMBERS = {4: (255, 0, 0), 20: (0, 255, 0), 100: (0, 0, 255)}


class Folder(folder.Folder):
    script, output_name = get_mini_imagenet, "mini_imagenet"


@needs_pillow
class FromImageNet(Folder):
    def setUp(self):
        super().setUp()
        self.imagenet, self.splits = self.folder / "imagenet", self.folder / "splits"
        self.splits.mkdir()
        for split, wnid in CLASSES.items():
            (self.imagenet / wnid).mkdir(parents=True)
            for number, colour in NUMBERS.items():
                (self.imagenet / wnid / f"{wnid}_{number}.JPEG").write_bytes(jpeg(colour))
            (self.imagenet / wnid / "notes_5.txt").write_text("no image")
            self.write_split(split, [(f"{wnid}00000002.jpg", wnid), (f"{wnid}00000003.jpg", wnid)])

    def write_split(self, split, rows):
        with open(self.splits / f"{split}.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("filename", "label"), *rows])

    def build(self, *arguments, source=None):
        return self.run_script(source or self.imagenet, "--splits", self.splits, *arguments)

    def refused(self, *texts, source=None):
        self.assert_refused([source or self.imagenet, "--splits", self.splits], *texts)

    def centre(self, name):
        with Image.open(self.output / "images" / name) as image:
            self.assertEqual((image.format, image.size, image.mode), ("JPEG", (84, 84), "RGB"))
            return image.getpixel((42, 42))

    def assert_colour(self, name, colour):
        for found, wanted in zip(self.centre(name), colour):
            self.assertAlmostEqual(found, wanted, delta=3)

    def make_tar(self):
        path = self.folder / "train.tar"
        with tarfile.open(path, "w") as outer:
            for wnid in CLASSES.values():
                inner_bytes = io.BytesIO()
                with tarfile.open(fileobj=inner_bytes, mode="w") as inner:
                    for file in sorted((self.imagenet / wnid).iterdir(), reverse=True):
                        add_to_tar(inner, file.name, file.read_bytes())
                add_to_tar(outer, f"{wnid}.tar", inner_bytes.getvalue())
        return path

    def test_positions_count_in_the_order_of_the_numbers(self):
        code, out, err = self.build()
        self.assertEqual(code, 0, err)
        for wnid in CLASSES.values():
            self.assert_colour(f"{wnid}00000002.jpg", NUMBERS[20])
            self.assert_colour(f"{wnid}00000003.jpg", NUMBERS[100])
        for split in CLASSES:
            self.assertEqual((self.output / f"{split}.csv").read_bytes(), (self.splits / f"{split}.csv").read_bytes())
        self.assertIn("non-commercial research", out)
        self.assertIn("need up to 0 MB", err)

    def test_all_forms_of_the_source_give_the_same_files(self):
        self.assertEqual(self.build()[0], 0)
        from_folder = self.files()
        shutil.rmtree(self.output)
        tar = self.make_tar()
        self.assertEqual(self.build(source=tar)[0], 0)
        self.assertEqual(self.files(), from_folder)
        shutil.rmtree(self.output)
        tars = self.folder / "tars"
        with tarfile.open(tar) as outer:
            for member in outer:
                tars.mkdir(exist_ok=True)
                (tars / member.name).write_bytes(outer.extractfile(member).read())
        self.assertEqual(self.build(source=tars)[0], 0)
        self.assertEqual(self.files(), from_folder)

    def test_area_is_the_mean_of_what_a_pixel_covers(self):
        source = Image.new("L", (100, 84))  # scale 100 / 84: most pixels cover parts of source pixels
        source.putdata([255 if x % 3 == 0 else 0 for _ in range(84) for x in range(100)])
        found = list(images.area(source).crop((0, 40, 84, 41)).tobytes())
        for x in range(84):
            left, right = x * 100 / 84, (x + 1) * 100 / 84
            covered = [max(0.0, min(right, i + 1) - max(left, i)) for i in range(100)]
            mean = sum(c * 255 for i, c in enumerate(covered) if i % 3 == 0) / sum(covered)
            self.assertAlmostEqual(found[x], mean, delta=255 / 8)  # an eighth of a source pixel

    def test_the_filter_is_an_option(self):
        stripes = Image.new("RGB", (500, 375))
        stripes.putdata([(255,) * 3 if x // 9 % 2 else (0,) * 3 for _ in range(375) for x in range(500)])
        data = io.BytesIO()
        stripes.save(data, "JPEG")
        pixels = []
        for name in images.FILTERS:
            with Image.open(io.BytesIO(images.small_jpeg(data.getvalue(), name))) as image:
                pixels.append(image.tobytes())
        self.assertNotEqual(pixels[0], pixels[1])

    def test_takes_grey_and_cmyk_images_and_small_ones(self):
        wnid = CLASSES["train"]
        (self.imagenet / wnid / f"{wnid}_20.JPEG").write_bytes(jpeg((90, 90, 90), mode="L", size=(60, 200)))
        (self.imagenet / wnid / f"{wnid}_100.JPEG").write_bytes(jpeg((90, 90, 90), mode="CMYK"))
        self.assertEqual(self.build()[0], 0)
        self.assert_colour(f"{wnid}00000002.jpg", (90, 90, 90))
        self.assert_colour(f"{wnid}00000003.jpg", (90, 90, 90))

    def test_goes_on_where_it_was_stopped(self):
        real, calls = imagenet.small_jpeg, []

        def stop_at_the_fourth(*arguments):
            calls.append(arguments)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return real(*arguments)

        with mock.patch.object(imagenet, "small_jpeg", stop_at_the_fourth):
            code, _, err = self.build()
            self.assertEqual(code, 130)
            self.assertIn("run again to go on", err)
            self.assertEqual(len(list((self.output / "images").iterdir())), 3)
            self.assertFalse((self.output / "train.csv").exists())
            self.assert_refused(["--verify"], "manifest.sha256", "found none")
            code, _, err = self.build()
        self.assertEqual((code, len(calls)), (0, 4 + 3))
        self.assertIn("3 of them there", err)
        resumed = self.files()
        shutil.rmtree(self.output)
        self.build()
        self.assertEqual(self.files(), resumed)

    def test_a_stop_while_a_file_is_written_leaves_none(self):
        with mock.patch("os.replace", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, get_mini_imagenet.Output(self.output, "r").__enter__)
        self.assertEqual(self.files(), {})

    def test_a_torn_last_line_of_the_checksums_is_made_again(self):
        with mock.patch.object(get_mini_imagenet.Output, "finish", side_effect=KeyboardInterrupt):
            self.build()
        log = self.output / "unfinished.sha256"
        log.write_bytes(log.read_bytes()[:-30])
        code, _, err = self.build()
        self.assertEqual(code, 0)
        self.assertIn("5 of them there", err)
        self.assertEqual(self.run_script("--verify")[0], 0)

    def test_makes_nothing_again(self):
        self.build()
        before = {file: file.stat().st_mtime_ns for file in (self.output / "images").iterdir()}
        with mock.patch.object(imagenet, "small_jpeg", side_effect=AssertionError):
            self.assertEqual(self.build()[0], 0)
        self.assertEqual({file: file.stat().st_mtime_ns for file in (self.output / "images").iterdir()}, before)

    def test_verify_finds_what_changed_and_a_build_mends_it(self):
        self.build()
        code, out, _ = self.run_script("--verify")
        self.assertEqual((code, out), (0, f"{self.output}: all 9 files have the right SHA-256\n"))
        intact, name = self.files(), "images/n0000000200000002.jpg"
        (self.output / name).write_bytes(b"changed")
        (self.output / "val.csv").unlink()
        self.assert_refused(["--verify"], "need the 9 files", "found 2 missing or changed", name)
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.files(), intact)

    def test_does_not_mix_two_ways_of_building(self):
        self.build()
        other = [self.imagenet, "--splits", self.splits, "--filter", "lanczos"]
        self.assert_refused(other, "lanczos filter", "found ILSVRC2012", "area filter")

    def test_leaves_other_files_alone(self):
        self.output.mkdir()
        (self.output / "mine.jpg").write_bytes(b"mine")
        self.refused("need an empty folder", str(self.output))
        self.assertEqual(self.files(), {"mine.jpg": b"mine"})

    def test_refuses_a_class_with_too_few_images(self):
        (self.imagenet / "n00000002" / "n00000002_4.JPEG").unlink()
        self.refused("n00000002: need 3 images for n0000000200000003.jpg, found 2")

    def test_refuses_a_class_with_more_images_than_ilsvrc2012_has(self):
        for number in range(1000, 2300):
            (self.imagenet / "n00000002" / f"n00000002_{number}.JPEG").write_bytes(b"")
        self.refused("n00000002: need the class of ILSVRC2012, of at most 1300 images, found 1303")

    def test_refuses_a_missing_class(self):
        shutil.rmtree(self.imagenet / "n00000003")
        self.refused("need 3 classes", "found 2 and not n00000003")

    def test_refuses_an_image_that_cannot_be_decoded(self):
        (self.imagenet / "n00000003" / "n00000003_20.JPEG").write_bytes(jpeg((1, 2, 3))[:300])
        self.refused("n00000003: need images that can be decoded, found n00000003_20.JPEG")

    def test_refuses_damaged_tars(self):
        tar = self.make_tar()
        text = self.folder / "text.tar"
        text.write_text("no tar")
        self.refused("text.tar: need a folder or a tar of ILSVRC2012", source=text)
        tar.write_bytes(tar.read_bytes()[:-25_000])
        self.refused("train.tar", source=tar)

    def test_refuses_bad_splits(self):
        good = ("n0000000100000001.jpg", "n00000001")
        for rows, text in (
            ([], "train.csv: need at least one image"),
            ([good, good], "train.csv: need each image once, found 1 again"),
            ([("n0000000100000000.jpg", "n00000001")], "train.csv:2: need a row as"),
            ([good, ("n0000000100000001.jpg", "n00000009")], "train.csv:3: need a row as"),
            ([("../0000000100000001.jpg", "n00000001")], "train.csv:2: need a row as"),
            ([("n0000000200000001.jpg", "n00000002")], "val.csv: need other classes than in train.csv"),
        ):
            self.write_split("train", rows)
            self.refused(text)
        (self.splits / "train.csv").write_text("name,class\n")
        self.refused("need the header filename,label, found 'name,class'")
        (self.splits / "train.csv").unlink()
        self.refused("train.csv: need a CSV file")

    def test_needs_the_splits_and_a_source_that_exists(self):
        self.assert_refused([self.imagenet], "need --splits DIR")
        self.assert_refused([self.folder / "none", "--splits", self.splits], "none: need a folder, a tar")

    def test_a_full_disk_is_no_fault_of_the_data(self):
        usage = shutil.disk_usage(self.folder)._replace(free=100)
        with mock.patch("shutil.disk_usage", return_value=usage):
            code, _, err = self.build()
        self.assertEqual(code, 1)
        self.assertIn("found 0 MB free", err)


class WithoutPillow(Folder):
    def test_says_how_to_install_it(self):
        with mock.patch.dict(sys.modules, {"PIL": None}):
            code, _, err = self.run_script(self.folder, "--splits", self.folder)
        self.assertEqual((code, len(err.splitlines())), (1, 1))
        self.assertIn("python3 -m pip install pillow", err)
        self.assertFalse(self.output.exists())

    def test_needs_a_source(self):
        with self.assertRaises(SystemExit) as stop:
            self.run_script()
        self.assertEqual(stop.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
