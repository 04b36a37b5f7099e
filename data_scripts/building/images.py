"""Images made smaller, and pixels as PNG, with Pillow."""

import io

from .errors import BuildError

SIZE = 84  # height and width of the images of Mini-ImageNet and tieredImageNet
FINE = 8  # by how much `area` refines a source pixel
JPEG_BYTES = 8192  # what an 84x84 JPEG takes on a disk of 4 KiB blocks, at most on average
PNG_BYTES = 20480  # and an 84x84 PNG
FILTERS = {
    "area": "the mean of the pixels it covers, as the loader of Ravi and Larochelle (Torch's image.scale) and the "
    "public scripts (OpenCV's INTER_AREA) have it",
    "lanczos": "as MAML's proc_images.py has it",
}


def pillow():
    """Pillow's module Image, which reading and checking do without."""
    try:
        from PIL import Image
    except ImportError:
        raise BuildError("needs Pillow to read and write images: python3 -m pip install pillow") from None
    return Image


def area(image):
    """The mean over the area of each new pixel. Pillow's BOX takes source pixels whole or not at all, so they are cut
    finer first, one axis at a time; an axis shorter than the new one is interpolated, as in Torch."""
    Image = pillow()
    for axis in (0, 1):
        size = list(image.size)
        if size[axis] < SIZE:
            size[axis] = SIZE
            image = image.resize(size, Image.BILINEAR)
        elif size[axis] > SIZE:
            size[axis] *= FINE
            image = image.resize(size, Image.NEAREST)
            size[axis] = SIZE
            image = image.resize(size, Image.BOX)
    return image


def small_jpeg(data, filter_name):
    """An image file as an 84x84 JPEG of quality 95."""
    Image = pillow()
    with Image.open(io.BytesIO(data)) as image:
        image = image.convert("RGB")
    image = area(image) if filter_name == "area" else image.resize((SIZE, SIZE), Image.LANCZOS)
    result = io.BytesIO()
    image.save(result, "JPEG", quality=95)
    return result.getvalue()


def as_png(pixels, size):
    """size * size * 3 bytes, a pixel after the other, as a PNG."""
    result = io.BytesIO()
    pillow().frombytes("RGB", (size, size), bytes(pixels)).save(result, "PNG")
    return result.getvalue()
