"""CIFAR-100's official python archive, read without running its pickles, and the few-shot splits of its classes."""

import tarfile
from dataclasses import dataclass

from . import array_pickle
from .array_pickle import PickleError, as_text
from .errors import DataError
from .tars import whole

SIZE = 32
PARTS = ("train", "test")  # CIFAR-100's own, of 500 and 100 images a class: few-shot splits take both

# Of Bertinetto et al. (ICLR 2019, arXiv 1805.08136), who keep the lists in an archive that
# https://github.com/bertinetto/r2d2 links to, as splits/bertinetto. These are torchmeta's
# (https://github.com/tristandeleu/pytorch-meta, torchmeta/datasets/assets/cifar100/cifar-fs); those made from the
# archive itself in https://github.com/hyoje42/S2M2, filelists/cifar, name the same classes.
CIFAR_FS = {
    "train": "apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock cloud "
    "cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo keyboard lawn_mower lion lizard "
    "lobster mountain mouse mushroom oak_tree orange orchid palm_tree pear pine_tree plate porcupine possum rabbit "
    "raccoon ray road seal shrew skunk skyscraper snake spider squirrel streetcar sunflower tank tiger train trout "
    "tulip turtle willow_tree wolf".split(),
    "validation": "beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter sea "
    "shark television tractor".split(),
    "test": "baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail sweet_pepper table "
    "telephone wardrobe whale woman worm".split(),
}

# Of Oreshkin et al. (NeurIPS 2018, arXiv 1805.10123), as superclasses of CIFAR-100: their appendix, and
# datasets/create_dataset_cifar100.py of https://github.com/ElementAI/TADAM. The same in torchmeta
# (torchmeta/datasets/assets/cifar100/fc100).
FC100 = {
    "train": "fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture "
    "large_man-made_outdoor_things large_natural_outdoor_scenes reptiles trees vehicles_1 vehicles_2".split(),
    "validation": "large_carnivores large_omnivores_and_herbivores non-insect_invertebrates small_mammals".split(),
    "test": "aquatic_mammals insects medium_mammals people".split(),
}


@dataclass
class Part:
    """CIFAR-100's train or test: pixels [N, 3 * 32 * 32], a colour after the other, and the labels of each image."""

    pixels: memoryview
    fine: list
    coarse: list

    def image(self, index):
        """32 * 32 * 3 bytes, a pixel after the other."""
        plane = SIZE * SIZE
        start, result = 3 * plane * index, bytearray(3 * plane)
        for colour in range(3):
            result[colour::3] = self.pixels[start + colour * plane : start + (colour + 1) * plane]
        return bytes(result)


def read_pickle(path, tar, name, keys):
    """The values of `keys` in the dict that the member `name` of the archive is."""
    where = f"{path}/{name}"
    member = next((member for member in tar if member.isfile() and member.name.split("/")[-1] == name), None)
    if member is None:
        raise DataError(f"{path}: need CIFAR-100's python archive with train, test and meta, found no {name}")
    try:
        content = array_pickle.load(tar.extractfile(member))
        content = {as_text(key): value for key, value in content.items()}
        return [content[key] for key in keys]
    except PickleError as error:
        raise DataError(f"{where}: need a pickle of arrays, found {error}") from error
    except (AttributeError, KeyError, TypeError):
        raise DataError(f"{where}: need a dict of {', '.join(keys)}, found another content") from None


def read_part(path, tar, name, classes, superclasses):
    pixels, fine, coarse = read_pickle(path, tar, name, ("data", "fine_labels", "coarse_labels"))
    shape, code = getattr(pixels, "shape", None), getattr(getattr(pixels, "kind", None), "code", None)
    if code != "u1" or len(shape) != 2 or shape[1] != 3 * SIZE * SIZE:
        raise DataError(f"{path}/{name}: need data of u1 and shape (N, {3 * SIZE * SIZE}), found {code} and {shape}")
    for labels, names in ((fine, classes), (coarse, superclasses)):
        if not isinstance(labels, list) or len(labels) != shape[0] or any(not in_range(i, names) for i in labels):
            raise DataError(f"{path}/{name}: need {shape[0]} labels below {len(names)}, found others")
    return Part(memoryview(pixels.data), fine, coarse)


def in_range(index, names):
    return isinstance(index, int) and 0 <= index < len(names)


def read(path):
    """The names of the classes and of the superclasses, and the two parts by name. Throws DataError."""
    with whole(path, "CIFAR-100's python archive, a tar.gz"), tarfile.open(path) as tar:
        names = read_pickle(path, tar, "meta", ("fine_label_names", "coarse_label_names"))
        if not all(isinstance(listed, list) for listed in names):
            raise DataError(f"{path}/meta: need lists of names, found another content")
        classes, superclasses = ([as_text(name) for name in listed] for listed in names)
        return classes, superclasses, {name: read_part(path, tar, name, classes, superclasses) for name in PARTS}
