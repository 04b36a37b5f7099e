"""scripts/resnet12_weights: a PyTorch state dict of a ResNet-12 as weights that `ufo-maml train --initialise` takes."""

import argparse
import pickle
import re
import sys

DESCRIPTION = """Write the weights of a ResNet-12 that PyTorch trained as a safetensors file for
`ufo-maml train CONFIG --initialise FILE`, where the config has model.name "resnet12" and model.widths as printed."""

EPILOG = """example:
  scripts/resnet12_weights pretrained.pth --ways 5 --output weights.safetensors
  build/release/ufo-maml train configs/resnet12/mini_imagenet_5way_1shot_ufo.json --initialise weights.safetensors

Read are state dicts, also inside of other dicts (params, state_dict, model_sd, embedding), as .pth (without running code
of it: torch.load with weights_only) or .safetensors. A name may have anything in front (module., encoder.) and the block's
number behind the layer's, as in MetaOptNet and FEAT, or not, as in few-shot-meta-baseline:
  layer1.0.conv1.weight, layer1.conv1.weight           -> layer1.conv1.weight
  layer1.0.bn1.weight, layer1.bn1.bias                 -> layer1.bn1.weight, layer1.bn1.bias
  layer1.0.downsample.0.weight, layer1.downsample.1.bias -> layer1.downsample.0.weight, layer1.downsample.1.bias
  fc, fcone, classifier, classifier.linear, head       -> head, where it has a row a way, or one for all; else zeros
running_mean, running_var and num_batches_tracked are left out: batch norm takes the statistics of the batch.
Exit code: 0 done, 1 it could not be written, 2 the file is no such state dict."""

LAYER = re.compile(r"(?:.*\.)?layer(\d+)\.(?:0\.)?((?:conv[123]|downsample\.0)\.weight|(?:bn[123]|downsample\.1)\.(?:weight|bias))")
HEAD = re.compile(r"(?:.*\.)?(?:fc|fcone|head|classifier|classifier\.linear)\.(weight|bias)")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
OF_A_BLOCK = ["conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight", "bn2.bias", "conv3.weight",
              "bn3.weight", "bn3.bias", "downsample.0.weight", "downsample.1.weight", "downsample.1.bias"]


def state_dict_in(value):
    """The first dict of dicts that has the name of a layer's parameter, or None."""
    if not isinstance(value, dict):
        return None
    if any(isinstance(name, str) and LAYER.fullmatch(name) for name in value):
        return value
    return next(filter(None, map(state_dict_in, value.values())), None)


def renamed(state):
    """The body and the head among the tensors of `state`, by our names. Raises ValueError for a block that lacks one, or
    has one that is not ResNet-12's."""
    body, head = {}, {}
    for name, tensor in state.items():
        layer, of_head = LAYER.fullmatch(name), HEAD.fullmatch(name)
        if layer:
            body[f"layer{layer[1]}.{layer[2]}"] = tensor
        elif of_head:
            head[f"head.{of_head[1]}"] = tensor
        elif re.search(r"(^|\.)layer\d+\.", name) and not name.endswith(STATISTICS):
            raise ValueError(f"need the layers of a ResNet-12, found {name}")
    blocks = max(int(re.match(r"layer(\d+)", name)[1]) for name in body)
    for i in range(1, blocks + 1):
        for part in OF_A_BLOCK:
            if f"layer{i}.{part}" not in body:
                raise ValueError(f"need layer{i}.{part}, found none")
    return body, head


def widths(body):
    """The channels of each block."""
    count = sum(name.endswith("conv1.weight") for name in body)
    return [body[f"layer{i}.conv1.weight"].shape[0] for i in range(1, count + 1)]


def rows_for(head, ways, features):
    """"own" where the head has a row a way, "shared" where it has one row for all, else "zeros"."""
    weight, bias = head.get("head.weight"), head.get("head.bias")
    if weight is None or bias is None or tuple(weight.shape[1:]) != (features,):
        return "zeros"
    return {ways: "own", 1: "shared"}.get(weight.shape[0], "zeros")


def load(path):
    import torch
    from safetensors.torch import load_file

    if path.endswith(".safetensors"):
        return load_file(path)
    try:
        return torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError("need a file of tensors alone, found none, or one that runs code of its own") from None


def convert(path, ways):
    """The tensors by our names, their widths, and where the head is from."""
    import torch

    state = state_dict_in(load(path))
    if state is None:
        raise ValueError("need a state dict with layer1.conv1.weight or layer1.0.conv1.weight, found none")
    body, head = renamed(state)
    features = widths(body)[-1]
    kind = rows_for(head, ways, features)
    if kind == "zeros":
        head = {"head.weight": torch.zeros(ways, features), "head.bias": torch.zeros(ways)}
    elif kind == "shared":
        head = {name: tensor.expand(ways, *tensor.shape[1:]) for name, tensor in head.items()}
    tensors = {name: tensor.detach().to(torch.float32) for name, tensor in {**body, **head}.items()}
    return tensors, widths(body), kind


def main():
    parser = argparse.ArgumentParser(prog="resnet12_weights", description=DESCRIPTION, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", metavar="FILE", help="a state dict, .pth or .safetensors")
    parser.add_argument("--ways", type=int, required=True, help="classes of an episode, rows of the head")
    parser.add_argument("--output", required=True, help="safetensors file to write")
    arguments = parser.parse_args()
    from . import dump

    try:
        tensors, sizes, head = convert(arguments.state, arguments.ways)
    except Exception as error:  # whatever a foreign file makes of its reader
        print(f"resnet12_weights: {arguments.state}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    try:
        dump.write_tensors(arguments.output, tensors)
    except OSError as error:
        print(f"resnet12_weights: {arguments.output}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: model.widths {sizes}, {arguments.ways} ways, head: {head}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
