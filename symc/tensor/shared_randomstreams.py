"""`RandomStreams`, under the path that Theano gave it."""

from ..compile.streams import RandomStreams, random_state_constructor
from ..ops.random.state import RandomStateSharedVariable

__all__ = [
    "RandomStateSharedVariable",
    "RandomStreams",
    "random_state_constructor",
    "randomstate_constructor",
]

randomstate_constructor = random_state_constructor
