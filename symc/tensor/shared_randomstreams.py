"""`RandomStreams`, under the path that Theano gave it."""

from ..compile.streams import RandomStreams

__all__ = ["RandomStreams"]
