"""From the program to the package and back. UFO_PROGRAM names ufo-maml; without it these tests skip."""

import csv
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import ROOT, relative_error
from reference import dump
from safetensors import safe_open

import ufo_maml

PROGRAM = os.environ.get("UFO_PROGRAM", "")
CONFIG = {
    "dataset": {"root": str(ROOT / "data/omniglot")}, "episode": {"ways": 3, "shots": 1, "queries": 2},
    "model": {"filters": 4}, "inner": {"steps": 2, "learning_rate": 0.4}, "meta_gradient": {"estimator": "exact"},
    "outer": {"meta_batch": 2, "steps": 4, "learning_rate": 0.01}, "validation": {"every": 2, "tasks": 4, "inner_steps": 1},
    "evaluation": {"tasks": 4, "inner_steps": 3, "queries": 2},
}
RUNS = {  # what a run has in place of CONFIG's groups
    "plain": {},
    "support": {"model": {"filters": 4, "batch_norm": "support", "downsampling": "max_pool"}},
    "resnet12": {"model": {"name": "resnet12", "widths": [3, 4]}},
    "rates": {"inner": {"steps": 2, "learning_rate": 0.4, "rates": {"per": "layer_and_step", "learned": True}}},
}
pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="needs the program: UFO_PROGRAM")


def call(folder, *words):
    # By one thread: ATen's sums depend on the number, and inner steps on a net this small magnify their rounding.
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
    result = subprocess.run([PROGRAM, *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with the drawings of three characters: support/<character>, two each, and query/<character>, three."""
    folder = tmp_path_factory.mktemp("images")
    with zipfile.ZipFile(ROOT / "data/omniglot/images_evaluation.zip") as archive:
        for character in ("character01", "character02", "character03"):
            drawings = [name for name in sorted(archive.namelist()) if f"/Atlantean/{character}/" in name and ".png" in name]
            for i, drawing in enumerate(drawings[:5]):
                path = folder / ("support" if i < 2 else "query") / character / Path(drawing).name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(drawing))
    return folder


@pytest.fixture(scope="module", params=RUNS)
def folder(request, tmp_path_factory):
    """Holds a config and a run that was trained by it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "config.json").write_text(json.dumps(CONFIG | RUNS[request.param]))
    call(folder, "train", "config.json", "--run-dir", "run")
    return folder


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def predictions(folder, images, query, *words):
    """What the program says of the images in `query`: (their values [R, C, H, W], log probabilities [R, N])."""
    adapted = folder / "adapted.safetensors"
    call(folder, "predict", "run", "--support", images / query, "--save-adapted", adapted)
    with safe_open(adapted, "pt") as file:  # the query images, which stood for support images here
        mean, deviation = (torch.tensor(json.loads(file.metadata()[key])) for key in ("mean", "deviation"))
        values = ((file.get_tensor("support.pixels") / 255 - mean) / deviation).permute(0, 3, 1, 2)
    text = call(folder, "predict", "run", "--support", images / "support", "--query", images / query, "--save-adapted",
                adapted, *words)
    rows = list(csv.reader(text.splitlines()))[1:]
    return values, torch.tensor([[float(number) for number in row[2:]] for row in rows]).log()


@pytest.mark.parametrize("name", ["best", "last"])
def test_the_meta_gradient_is_the_programs_on_its_weights_and_episodes(folder, name):
    call(folder, "gradient", "config.json", "--checkpoint", f"run/checkpoints/{name}.safetensors", "--dtype", "float64",
         "--output", "gradient.safetensors")
    written = dump.read(str(folder / "gradient.safetensors"))
    module = ufo_maml.load_run(folder / "run", name)
    network, inner = module.network, module.inner_options
    assert torch.equal(module.theta.double(), network.pack(written.theta, inner=inner))
    estimate = ufo_maml.meta_gradient(network, module.theta.double(), *written.tasks, inner=inner)
    assert relative_error(estimate.gradient, network.pack(written.gradient, inner=inner)) < 1e-12


def test_adapted_here_it_predicts_what_the_program_does(folder, images, one_thread):
    support, _ = predictions(folder, images, "support")
    query, expected = predictions(folder, images, "query")
    module = ufo_maml.load_run(folder / "run")
    phi = ufo_maml.adapt(module.network, module.theta, support.unsqueeze(0), torch.tensor([[0, 0, 1, 1, 2, 2]]),
                         inner=module.inner_options, steps=module.config["evaluation"]["inner_steps"])
    found = ufo_maml.predict(module.network, phi, query.unsqueeze(0), support.unsqueeze(0)).squeeze(0).log()
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    theta = torch.cat([phi[0], module.theta[module.network.size:].detach()])  # the learned rates stay behind it
    logits = module.network.module(theta, inner=module.inner_options)(query, support)
    assert torch.allclose(logits.log_softmax(-1), expected, rtol=1e-4, atol=1e-4)


def test_learned_rates_are_parameters_under_the_names_of_the_checkpoint(folder):
    module = ufo_maml.load_run(folder / "run")
    with safe_open(folder / "run/checkpoints/best.safetensors", "pt") as file:
        names = [name for name in file.keys() if not name.startswith("optimizer.")]
        for name, value in module.state_dict().items():
            assert torch.equal(value, file.get_tensor(name))
        assert sorted(module.state_dict()) == sorted(names)
    rates = [name for name in names if name.startswith("inner.rates.")]
    assert bool(rates) == (module.theta.numel() > module.network.size) == ("rates" in json.loads(
        (folder / "config.json").read_text())["inner"])


def test_the_program_takes_what_save_writes(folder, images):
    module = ufo_maml.load_run(folder / "run", "last")
    with torch.no_grad():
        module.head.weight.add_(torch.linspace(-1, 1, module.head.weight.numel()).view_as(module.head.weight))
    saved = folder / "changed.safetensors"
    ufo_maml.save(saved, module)
    assert not list(folder.glob("*.unfinished"))
    assert torch.equal(ufo_maml.load_run(folder / "run", saved).theta, module.theta)
    shutil.rmtree(folder / "more", ignore_errors=True)
    call(folder, "train", "config.json", "--run-dir", "more", "--initialise", saved, "--set", "outer.steps=1", "--set",
         "outer.learning_rate=1e-12")
    assert relative_error(ufo_maml.load_run(folder / "more", "last").theta.detach(), module.theta.detach()) < 1e-6
    changed, before = (predictions(folder, images, "query", *words)[1] for words in (["--checkpoint", saved], []))
    assert not torch.allclose(changed, before, atol=1e-3)


@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_the_program_takes_a_network_that_never_was_a_run(folder):
    network = ufo_maml.Network("conv4", ways=3, filters=4)
    theta = network.initial(7)
    ufo_maml.save(folder / "fresh.safetensors", network.module(theta))
    call(folder, "train", "config.json", "--run-dir", "fresh", "--initialise", "fresh.safetensors", "--set", "outer.steps=1",
         "--set", "outer.learning_rate=1e-12")
    assert relative_error(ufo_maml.load_run(folder / "fresh", "last").theta.detach(), theta) < 1e-6


@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_what_is_no_run_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="need the directory of a run, found no config.json"):
        ufo_maml.load_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="need a checkpoint, found no .*gone"):
        ufo_maml.load_run(folder / "run", "gone")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((folder / "run/checkpoints/best.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match="need a checkpoint, got a damaged file"):
        ufo_maml.load_run(folder / "run", damaged)
    other = tmp_path / "run"
    shutil.copytree(folder / "run", other)
    config = json.loads((other / "config.json").read_text())
    for group, change, message in [
        ("model", {"filters": 5}, r"need blocks.0.conv.weight of shape \(5, 1, 3, 3\), got \(4, 1, 3, 3\)"),
        ("inner", RUNS["rates"]["inner"], r"need inner.rates.head of shape \(2,\), got none"),
    ]:
        (other / "config.json").write_text(json.dumps(config | {group: config[group] | change}))
        with pytest.raises(ValueError, match=message):
            ufo_maml.load_run(other)
    (other / "config.json").write_text(json.dumps({"model": {}}))
    with pytest.raises(ValueError, match="need the config of a run, found no 'dataset'"):
        ufo_maml.load_run(other)
    (other / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json: need JSON"):
        ufo_maml.load_run(other)
