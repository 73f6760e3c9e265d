"""Functions of expressions that layers are built on: convolutions along one axis, borders."""

from symc.nn.theano_extensions import conv as conv
from symc.nn.theano_extensions import padding as padding

__all__ = ["conv", "padding"]
