"""Run directories and checkpoints of the program, which are safetensors with the parameters under PyTorch's names."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ._module import Classifier
from ._network import Network

FORMAT = "ufo-maml checkpoint 1"


def load_run(path: str | Path, checkpoint: str | Path = "best") -> Classifier:
    """The trained network of the run directory `path`, with the inner rates where the run learned them, as a
    torch.nn.Module; the run's config, a dict, is its `config`, and the group `inner` of it its `inner_options`.

    checkpoint: "best" (the last one before the first validation), "last", or a file. Raises ValueError where `path` holds
    no run, or the checkpoint is damaged or of another network; FileNotFoundError where there is no such file.
    """
    config = _read_config(Path(path))
    try:
        model, dataset, ways, inner = dict(config["model"]), config["dataset"], config["episode"]["ways"], config["inner"]
        image = (len(config["provenance"]["mean"]), dataset["image_size"], dataset["image_size"])
    except (KeyError, TypeError) as missing:
        raise ValueError(f"{path}/config.json: need the config of a run, found no {missing}") from None
    network = Network(model.pop("name"), ways=ways, image=image, **model)
    module = network.module(network.initial(inner=inner), inner=inner)
    shapes = {name: tuple(value.shape) for name, value in module.named_parameters()}
    module.load_state_dict(_read_tensors(_find_checkpoint(Path(path) / "checkpoints", checkpoint), shapes))
    module.config = config
    return module


def save(path: str | Path, module: Classifier) -> None:
    """Writes the parameters of a Classifier as a checkpoint, float32, for the program's `train --initialise`,
    `evaluate --checkpoint` and `predict --checkpoint`; with its config where load_run left one. What was at `path` stays
    as it was until the new file is whole."""
    metadata = {"format": FORMAT}
    if module.config is not None:
        metadata["config"] = json.dumps({key: value for key, value in module.config.items() if key != "provenance"})
    parameters = {name: value.detach().float().contiguous() for name, value in module.named_parameters()}
    unfinished = f"{path}.unfinished"
    save_file(parameters, unfinished, metadata)
    os.replace(unfinished, path)


def _read_config(run: Path) -> Any:
    try:
        return json.loads((run / "config.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{run}: need the directory of a run, found no config.json in it") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{run}/config.json: need JSON: {error}") from None


def _find_checkpoint(folder: Path, name: str | Path) -> Path:
    choices = {"best": ["best", "last"], "last": ["last"]}.get(str(name))
    files = [folder / f"{choice}.safetensors" for choice in choices] if choices else [Path(name)]
    for file in files:
        if file.is_file():
            return file
    raise FileNotFoundError(f"need a checkpoint, found no {files[-1]}")


def _read_tensors(file: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of these names and shapes; others, as the optimizer's, are left where they are."""
    try:
        with safe_open(file, "pt") as opened:
            there = set(opened.keys())
            tensors = {name: opened.get_tensor(name) for name in shapes if name in there}
    except SafetensorError as error:
        raise ValueError(f"{file}: need a checkpoint, got a damaged file ({error})") from None
    for name, shape in shapes.items():
        found = tensors.get(name)
        if found is None or tuple(found.shape) != shape:
            raise ValueError(f"{file}: need {name} of shape {shape}, got {'none' if found is None else tuple(found.shape)}")
        if not found.is_floating_point() or not found.isfinite().all():
            raise ValueError(f"{file}: {name}: need finite numbers, got some that are not")
    return tensors
