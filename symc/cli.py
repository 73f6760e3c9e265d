"""The ``symc`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import bench, cache, doctor
from .demo.data import bundled_digits, mnist_digits
from .demo.text import PASSAGE, read_text
from .demo.train import RECIPES, run
from .demo.train_lstm import run_text
from .lazy import LazyModule
from .runtime import native_available

_lenet = LazyModule("symc.demo.lenet")  # with all layers

LSTM = "lstm"
"""The model of ``symc demo`` that learns from text; the others learn from digits."""
LENET = "lenet"
"""The model with convolutions."""


def _usual_models(with_text: bool) -> list[str]:
    """The models that are trained unless the user names some.

    Loops and convolutions are slow on the NumPy path, so LeNet and the LSTM wait there until they
    are asked for.
    """
    if native_available():
        return [*RECIPES, LENET, LSTM]
    return [*RECIPES, LSTM] if with_text else list(RECIPES)


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from rich.console import Console
    except ImportError:
        print("symc demo needs a few more packages: python3 -m pip install -e '.[demo]'")
        return 1
    console = Console()
    models = arguments.model or _usual_models(arguments.text is not None)
    digits = text = None
    try:
        if set(models) != {LSTM}:
            digits = mnist_digits(arguments.data) if arguments.data else bundled_digits()
        if LSTM in models:
            text = read_text(arguments.text or PASSAGE)
        elif arguments.text:
            raise ValueError(f"--text is for --model {LSTM}, not for {', '.join(models)}")
        if arguments.seeds != 1 and (LENET not in models or arguments.seeds < 1):
            raise ValueError(f"--seeds is for --model {LENET}, and one or more")
    except (ImportError, OSError, ValueError) as error:
        print(f"symc demo: {error}", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in models:
        if name == LSTM:
            assert text is not None
            run_text(text, console)
            continue
        assert digits is not None
        if name == LENET:
            _lenet.run_lenet(digits, arguments.out, console, arguments.seeds)
        else:
            run(name, digits, arguments.out, console)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    del arguments
    return doctor.main()


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    top = argparse.ArgumentParser(prog="symc", description="symbolic expression compiler")
    commands = top.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train models on handwritten digits and on text")
    demo.add_argument(
        "--model",
        choices=[*RECIPES, LENET, LSTM],
        action="append",
        help="default: all, one after the other (without a C compiler: the first two)",
    )
    demo.add_argument("--data", type=Path, metavar="DIR", help="folder with MNIST idx files")
    demo.add_argument(
        "--text", type=Path, metavar="FILE", help="what the LSTM learns; default: a passage"
    )
    demo.add_argument(
        "--seeds", type=int, metavar="N", default=1, help="how many times to train LeNet"
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", default=Path(), help="where pictures go; default: here"
    )
    demo.set_defaults(run=_demo)
    check = commands.add_parser("doctor", help="say what was found and what is missing")
    check.set_defaults(run=_doctor)
    cache.add_parser(commands)
    commands.add_parser(
        "bench", help="compare the speed with that of other frameworks", add_help=False
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["bench"]:  # its options are its own
        return bench.main(given[1:])
    arguments = parser().parse_args(given)
    code: int = arguments.run(arguments)
    return code
