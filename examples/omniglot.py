"""Omniglot's episodes as tensors, from the archives in data/omniglot. Needs pillow."""

import io
import zipfile
from pathlib import Path

import torch
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "data/omniglot"


def characters(part):
    """The images of "background" (964 characters) or "evaluation" (659): [characters, 20, 1, 28, 28], ink 1, paper 0."""
    drawings = {}
    with zipfile.ZipFile(FOLDER / f"images_{part}.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png"):
                image = Image.open(io.BytesIO(archive.read(name))).convert("L").resize((28, 28), Image.Resampling.BOX)
                pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
                drawings.setdefault(name.rsplit("/", 1)[0], []).append(pixels)
    return 1 - torch.stack([torch.stack(images) for images in drawings.values()]).view(-1, 20, 1, 28, 28) / 255


def episodes(images, tasks, ways, shots, queries, generator):
    """(support_images [T, N*K, 1, 28, 28], support_labels [T, N*K], query_images, query_labels) of T random tasks; every
    class of a task is turned by a random quarter."""
    chosen = torch.stack([torch.randperm(len(images), generator=generator)[:ways] for _ in range(tasks)])  # [T, N]
    turns = torch.randint(4, (tasks, ways), generator=generator)
    drawn = torch.rand(tasks, ways, 20, generator=generator).argsort(-1)[..., :shots + queries]  # [T, N, K + Q]
    batch = images[chosen.unsqueeze(-1), drawn]
    for quarter in range(1, 4):
        batch[turns == quarter] = batch[turns == quarter].rot90(quarter, (-2, -1))

    def part(images):
        labels = torch.arange(ways).repeat_interleave(images.shape[2]).expand(tasks, -1)
        return images.flatten(1, 2), labels
    return *part(batch[:, :, :shots]), *part(batch[:, :, shots:])
