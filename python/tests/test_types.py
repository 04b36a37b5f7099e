"""What a type checker reads."""

import ast
import inspect
from pathlib import Path

import pytest

import ufo_maml
from ufo_maml import _engine

FOLDER = Path(ufo_maml.__file__).parent
PUBLIC = [getattr(ufo_maml, name) for name in ufo_maml.__all__]


def own(thing):
    return {name for name in vars(thing) if not name.startswith("_")}


def stubbed(body):
    functions = (ast.FunctionDef, ast.ClassDef)
    names = {node.name for node in body if isinstance(node, functions)}
    names |= {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
    return {name for name in names if not name.startswith("_")}


def test_the_stub_of_the_engine_has_its_names_and_no_others():
    stub = ast.parse((FOLDER / "_engine.pyi").read_text())
    assert stubbed(stub.body) == own(_engine)
    network = next(node for node in stub.body if isinstance(node, ast.ClassDef))
    assert stubbed(network.body) == own(_engine.Network)


def functions_of(thing):
    if inspect.isfunction(thing):
        return [thing]
    members = [value.fget if isinstance(value, property) else value for name, value in vars(thing).items()
               if not name.startswith("_") or name == "__init__"]
    return [member for member in members if inspect.isfunction(member)]


@pytest.mark.parametrize("thing", PUBLIC, ids=ufo_maml.__all__)
def test_every_public_function_says_its_types_and_what_it_does(thing):
    assert thing.__doc__
    for function in functions_of(thing):
        parameters = [name for name in inspect.signature(function).parameters if name != "self"]
        said = function.__annotations__
        assert set(parameters) <= said.keys(), function.__qualname__
        if function.__name__ != "__init__":
            assert "return" in said and function.__doc__, function.__qualname__


def test_the_package_says_that_it_is_typed():
    assert (FOLDER / "py.typed").exists()
