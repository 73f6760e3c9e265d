"""Names, arguments and defaults that programs written for Lasagne use: those in ``api.txt``."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

NAMES = Path(__file__).with_name("api.txt").read_text().splitlines()
DEFAULT = ast.literal_eval("...")  # some default


def entries():
    """For each line the module, the name, and the arguments, None where only the name counts."""
    module = ""
    for line in NAMES:
        if line.startswith("## "):
            module = line.removeprefix("## ")
        else:
            name, _, arguments = line.partition("(")
            yield pytest.param(module, name, arguments[:-1] if arguments else None, id=line[:60])


def wanted(arguments):
    """Names of arguments, and defaults by name."""
    parsed = ast.parse(f"def f({arguments}): pass").body[0].args
    names = [a.arg for a in parsed.args]
    values = map(ast.literal_eval, parsed.defaults)
    defaults = dict(zip(names[len(names) - len(parsed.defaults) :], values, strict=True))
    return names, defaults, (parsed.vararg, parsed.kwarg)


def one_value(default):
    """A number for a tuple of equal ones, which layers take as well."""
    if isinstance(default, (tuple, list)) and default and len(set(default)) == 1:
        return default[0]
    return list(default) if isinstance(default, tuple) else default


@pytest.mark.parametrize(("module", "name", "arguments"), list(entries()))
def test_a_name(module, name, arguments):
    found = getattr(importlib.import_module(f"symc.nn.{module}"), name)
    assert callable(found)
    if arguments is None:
        return
    names, defaults, (star, stars) = wanted(arguments)
    parameters = list(inspect.signature(found).parameters.values())
    kinds = {p.kind for p in parameters}
    assert star is None or inspect.Parameter.VAR_POSITIONAL in kinds
    assert stars is None or inspect.Parameter.VAR_KEYWORD in kinds
    named = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in named[: len(names)]] == names
    assert all(p.default is not inspect.Parameter.empty for p in named[len(names) :])
    for p in named[: len(names)]:
        if defaults.get(p.name, p.name) is DEFAULT:
            assert p.default is not inspect.Parameter.empty
        elif p.name in defaults:
            assert one_value(p.default) == pytest.approx(one_value(defaults[p.name]))


def test_layers_are_found_in_the_package():
    layers = importlib.import_module("symc.nn.layers")
    apart = ("dnn", "corrmm", "cuda_convnet")
    for entry in entries():
        module, name, _ = entry.values
        if module.startswith("layers.") and module.partition(".")[2] not in apart:
            assert hasattr(layers, name), name
