"""Tests of get_cub.py on archives like that of CUB-200-2011 that they make themselves."""

import hashlib
import json
import tarfile
import unittest
from unittest import mock

from folder import Folder, add_to_tar

import get_cub
from building.download import Archive
from building.image_folder import Published
from building.output import Output

SPECIES = [f"{number:03d}.Bird_{number}" for number in range(1, 9)]


class FromArchive(Folder):
    script = get_cub

    def setUp(self):
        super().setUp()
        self.archive = self.folder / "CUB_200_2011.tgz"
        self.images = {f"CUB_200_2011/images/{species}/{species[4:]}_{number:04d}_1.jpg": f"{species} {number}".encode()
                       for species in reversed(SPECIES) for number in range(3)}
        self.others = {"CUB_200_2011/README": b"", "attributes.txt": b"", "CUB_200_2011/images/001.Bird_1/._x.jpg": b""}
        self.write()

    def write(self):
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, data in {**self.others, **self.images}.items():
                add_to_tar(tar, name, data)

    def run_script(self, *arguments):
        md5 = hashlib.md5(self.archive.read_bytes()).hexdigest()
        archive = Archive(self.archive.as_uri(), md5, 1151, "https://page")
        published = Published("CUB-200-2011", (4, 2, 2), 24)
        with mock.patch.multiple(get_cub, ARCHIVE=archive, PUBLISHED=published):
            return super().run_script("--archive", self.archive, *arguments)

    def test_divides_the_species_by_their_numbers_and_copies_the_photographs(self):
        code, out, err = self.run_script()
        self.assertEqual(code, 0, err)
        splits = json.loads((self.output / "splits.json").read_text())
        self.assertEqual(splits, {"train": SPECIES[0::2], "validation": SPECIES[1::4], "test": SPECIES[3::4]})
        found = {f"CUB_200_2011/images/{name}": data for name, data in self.files().items() if name.endswith(".jpg")}
        self.assertEqual(found, self.images)
        self.assertIn("Flickr", out)
        self.assertIn("data verify configs/cub_5way_1shot_maml.json", out)
        self.assertEqual(self.run_script("--verify")[0], 0)

    def test_goes_on_where_it_was_stopped(self):
        real, calls = Output.show_progress, []

        def stop_at_the_fourth(output):
            calls.append(output)
            if len(calls) == 4:
                raise KeyboardInterrupt
            real(output)

        with mock.patch.object(Output, "show_progress", stop_at_the_fourth):
            self.assertEqual(self.run_script()[0], 130)
        code, _, err = self.run_script()
        self.assertEqual(code, 0, err)
        self.assertIn("4 of them there", err)

    def test_refuses_an_archive_that_lacks_images(self):
        del self.images[f"CUB_200_2011/images/{SPECIES[2]}/Bird_3_0001_1.jpg"]
        self.write()
        self.assert_refused([], "need the 4 / 2 / 2 classes and 24 images of CUB-200-2011, found 4 / 2 / 2 and 23")
        self.assertFalse((self.output / "splits.json").exists())

    def test_refuses_a_cut_archive(self):
        whole = self.archive.read_bytes()
        self.archive.write_bytes(whole[: len(whole) // 2])
        self.assert_refused([], f"{self.archive}: need the tar.gz of CUB-200-2011, found ")

    def test_takes_no_path_that_leaves_the_folder(self):
        self.images = {"CUB_200_2011/images/../001.Bird.jpg": b"", "CUB_200_2011/images/001.Bird/../../x.jpg": b""}
        self.write()
        self.assert_refused([], "found 0 / 0 / 0 and 0")


if __name__ == "__main__":
    unittest.main()
