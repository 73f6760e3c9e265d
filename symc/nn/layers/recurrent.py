"""Recurrent layers: input (batch, time, features), output (batch, time, units)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import init, nonlinearities, utils
from symc.nn.layers.base import Layer, MergeLayer
from symc.nn.layers.dense import DenseLayer
from symc.nn.layers.helper import get_all_layers, get_all_params, get_output
from symc.nn.layers.input import InputLayer

__all__ = ["CustomRecurrentLayer", "GRULayer", "Gate", "LSTMLayer", "RecurrentLayer"]


class _Recurrent(MergeLayer):
    """What recurrent layers have in common: first states, masks, and how the loop runs.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, time, features...).
    states : list
        For each state its name, the initial value or layer, and the lengths after the batch.
    backwards : bool
        Whether to begin with the last step; outputs come in the order of time all the same.
    learn_init : bool
        Whether first states are trained.
    gradient_steps : int
        Steps that gradients go back; -1 for all.
    grad_clipping : float
        Bound for each element of the gradients of products; 0 for none.
    unroll_scan : bool
        Whether the steps are written one after the other instead of a loop; needs a known number
        of steps and ``gradient_steps=-1``.
    precompute_input : bool
        Whether products of the input are computed for all steps before the loop.
    mask_input : Layer, optional
        Shape (batch, time): where it is 0 states stay as they are.
    only_return_final : bool
        Whether the output is that of the last step only.
    """

    def __init__(
        self,
        incoming: Any,
        states: Sequence[tuple[str, Any, tuple[int, ...]]],
        backwards: bool,
        learn_init: bool,
        gradient_steps: int,
        grad_clipping: float,
        unroll_scan: bool,
        precompute_input: bool,
        mask_input: Any,
        only_return_final: bool,
        **kwargs: Any,
    ) -> None:
        incomings = [incoming]
        self.mask_incoming_index = self._place_of(mask_input, incomings)
        places = [
            self._place_of(first if isinstance(first, Layer) else None, incomings)
            for _, first, _ in states
        ]
        super().__init__(incomings, **kwargs)
        self.learn_init = learn_init
        self.backwards = backwards
        self.gradient_steps = gradient_steps
        self.grad_clipping = grad_clipping
        self.unroll_scan = unroll_scan
        self.precompute_input = precompute_input
        self.only_return_final = only_return_final
        shape = self.input_shapes[0]
        if len(shape) < 2:
            raise ValueError(
                f"{self._called()} needs an input of shape (batch, time, features...), got {shape}"
            )
        if mask_input is not None:
            self._check_fits(self.input_shapes[self.mask_incoming_index], shape[:2], "its mask")
        for place, (name, _, lengths) in zip(places, states, strict=True):
            if place >= 0:
                self._check_fits(self.input_shapes[place], (shape[0], *lengths), name)
        if unroll_scan and gradient_steps != -1:
            raise ValueError(
                f"{self._called()}: unroll_scan=True needs gradient_steps=-1, got {gradient_steps}"
            )
        if unroll_scan and shape[1] is None:
            raise ValueError(
                f"{self._called()}: unroll_scan=True needs a known number of steps, got input of "
                f"shape {shape}"
            )
        self._places = places
        self._states = [name for name, _, _ in states]
        self._lengths = [lengths for _, _, lengths in states]

    def _add_firsts(self, *firsts: Any) -> None:
        """Set the first state of each, a layer or a parameter: `hid_init`, say."""
        for name, first, lengths in zip(self._states, firsts, self._lengths, strict=True):
            tags = {"trainable": self.learn_init, "regularizable": False}
            made = isinstance(first, Layer)
            setattr(
                self, name,
                first if made else self.add_param(first, (1, *lengths), name=name, **tags),
            )

    @staticmethod
    def _place_of(layer: Any, incomings: list[Any]) -> int:
        """Where a layer stands among the inputs, at the end if it is one; -1 if there is none."""
        if layer is None:
            return -1
        incomings.append(layer)
        return len(incomings) - 1

    def get_output_shape_for(self, input_shapes: Any) -> Any:
        """Batch, time, and the units; without time if only the last step is returned."""
        batch, time = input_shapes[0][:2]
        units = self._lengths[-1]
        return (batch, *units) if self.only_return_final else (batch, time, *units)

    def _input_first_state(self, k: int, inputs: Any, batch: Any) -> Any:
        """The state before the first step, for the whole batch."""
        if self._places[k] >= 0:
            return inputs[self._places[k]]
        first = getattr(self, self._states[k])
        return T.alloc(first.reshape(self._lengths[k], ndim=len(self._lengths[k])), batch,
                       *self._lengths[k])

    def _run(
        self,
        step: Callable[..., list[Any]],
        rows: Any,
        inputs: Any,
        non_sequences: list[Any],
    ) -> list[Any]:
        """States after all steps, time first; `step` takes a row, the states, and `non_sequences`.

        `rows` is the input with time first.
        """
        batch = rows.shape[1]
        firsts = [self._input_first_state(k, inputs, batch) for k in range(len(self._states))]
        sequences = [rows]
        function: Callable[..., Any] = step
        if self.mask_incoming_index >= 0:
            mask = inputs[self.mask_incoming_index].dimshuffle(1, 0)
            sequences = [rows, mask]
            function = _Masked(step, len(firsts))
        if self.unroll_scan:
            return utils.unroll_scan(
                function, sequences, firsts, non_sequences, self.input_shapes[0][1], self.backwards
            )
        states, _ = symc.scan(
            function,
            sequences=sequences,
            outputs_info=firsts,
            non_sequences=non_sequences,
            go_backwards=self.backwards,
            truncate_gradient=self.gradient_steps,
            strict=True,
            return_list=True,
        )
        return states

    def _returned(self, states: Any) -> Any:
        """The last step, or all of them with the batch first and in the order of time."""
        if self.only_return_final:
            return states[-1]
        states = states.dimshuffle(1, 0, *range(2, states.ndim))
        return states[:, ::-1] if self.backwards else states


class _Masked:
    """A step whose states stay as they are where the mask is 0."""

    def __init__(self, step: Callable[..., list[Any]], count: int) -> None:
        self.step = step
        self.count = count

    def __call__(self, row: Any, mask: Any, *arguments: Any) -> list[Any]:
        before = arguments[: self.count]
        after = self.step(row, *arguments)
        return [
            T.switch(mask.dimshuffle(0, *("x",) * (new.ndim - 1)), new, old)
            for new, old in zip(after, before, strict=True)
        ]


def _time_first(x: Any) -> Any:
    return x.dimshuffle(1, 0, *range(2, x.ndim))


class CustomRecurrentLayer(_Recurrent):
    """``h_t = nonlinearity(input_to_hidden(x_t) + hidden_to_hidden(h_{t-1}))``, with any layers.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, time, features...).
    input_to_hidden : Layer
        Its input layer has shape (batch, features...), or (batch * time, features...) where the
        input is precomputed: usually (None, features...).
    hidden_to_hidden : Layer
        From the shape of a state to the same shape. Both networks may branch; each has one input
        layer.
    nonlinearity : callable or None
        None for the identity.
    hid_init : number, numpy.ndarray, tensor, callable or Layer
        First state.
    backwards, learn_init, gradient_steps, grad_clipping, unroll_scan, precompute_input, \
mask_input, only_return_final
        Whether to go from the last step to the first; whether first states are trained; how many
        steps gradients go back, -1 for all; bound for elements of gradients, 0 for none; whether
        steps are written one after the other; whether the input's part is computed for all steps
        at once; a layer of shape (batch, time) that is 0 where states stay as they are; whether
        only the last step is returned.
    name : str, optional

    Raises
    ------
    ValueError
        If shapes of the two networks don't fit, or `unroll_scan` is not possible.
    """

    def __init__(
        self,
        incoming: Any,
        input_to_hidden: Any,
        hidden_to_hidden: Any,
        nonlinearity: Any = nonlinearities.rectify,
        hid_init: Any = init.Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        self.input_to_hidden = input_to_hidden
        self.hidden_to_hidden = hidden_to_hidden
        self.nonlinearity = nonlinearities.function_of(nonlinearity)
        lengths = tuple(hidden_to_hidden.output_shape[1:])
        super().__init__(
            incoming, [("hid_init", hid_init, lengths)], backwards, learn_init, gradient_steps,
            grad_clipping, unroll_scan, precompute_input, mask_input, only_return_final, **kwargs,
        )
        self._add_firsts(hid_init)
        self._check_networks()

    def _check_networks(self) -> None:
        features = self.input_shapes[0][2:]
        takes = self._taken_by("input_to_hidden")
        gives = self.input_to_hidden.output_shape
        around = (self._taken_by("hidden_to_hidden"), self.hidden_to_hidden.output_shape)
        pairs = [
            (features, takes[1:], "features of the input", "what input_to_hidden takes"),
            (gives[1:], around[1][1:], "input_to_hidden's output", "hidden_to_hidden's output"),
            (around[0][1:], around[1][1:], "hidden_to_hidden's input", "its output"),
        ]
        for a, b, left, right in pairs:
            different = len(a) != len(b) or any(
                m != n and m is not None and n is not None for m, n in zip(a, b, strict=True)
            )
            if different:
                raise ValueError(
                    f"{self._called()} with input of shape {self.input_shapes[0]}: {left} and "
                    f"{right} must have the same shape after the batch, got {a} and {b}"
                )

    def _taken_by(self, network: str) -> Any:
        """The shape of the one input layer of a network."""
        every = get_all_layers(getattr(self, network))
        shapes = [x.output_shape for x in every if isinstance(x, InputLayer)]
        if len(shapes) != 1:
            raise ValueError(
                f"{self._called()}: {network} must have one InputLayer, got {len(shapes)}"
            )
        return shapes[0]

    def get_params(self, unwrap_shared: bool = True, **tags: bool) -> list[Any]:
        """Return the parameters of both networks and the first state."""
        params = super().get_params(unwrap_shared, **tags)
        for part in (self.input_to_hidden, self.hidden_to_hidden):
            params += get_all_params(part, unwrap_shared, **tags)
        return utils.unique(params)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The states of all steps, or of the last."""
        rows = _time_first(inputs[0])
        if self.precompute_input:
            time, batch = rows.shape[0], rows.shape[1]
            features = [rows.shape[k] for k in range(2, rows.ndim)]
            flat = rows.reshape((time * batch, *features), ndim=rows.ndim - 1)
            flat = get_output(self.input_to_hidden, flat, **kwargs)
            lengths = [flat.shape[k] for k in range(1, flat.ndim)]
            rows = flat.reshape((time, batch, *lengths), ndim=flat.ndim + 1)

        def step(row: Any, state: Any, *unused: Any) -> list[Any]:
            total = get_output(self.hidden_to_hidden, state, **kwargs)
            total = total + (
                row if self.precompute_input else get_output(self.input_to_hidden, row, **kwargs)
            )
            if self.grad_clipping:
                total = symc.gradient.grad_clip(total, -self.grad_clipping, self.grad_clipping)
            return [self.nonlinearity(total)]

        parts = [self.hidden_to_hidden]
        if not self.precompute_input:
            parts.append(self.input_to_hidden)
        states = self._run(step, rows, inputs, get_all_params(parts))
        return self._returned(states[0])


class RecurrentLayer(CustomRecurrentLayer):
    """``h_t = nonlinearity(x_t W_in_to_hid + b + h_{t-1} W_hid_to_hid)``.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, time, features...).
    num_units : int
    W_in_to_hid, W_hid_to_hid, b : number, numpy.ndarray, tensor or callable
        Of shapes (features, num_units), (num_units, num_units), (num_units,).
    nonlinearity, hid_init, backwards, learn_init, gradient_steps, grad_clipping, unroll_scan, \
precompute_input, mask_input, only_return_final, name
        As for `CustomRecurrentLayer`.
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W_in_to_hid: Any = init.Uniform(),  # noqa: B008
        W_hid_to_hid: Any = init.Uniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        hid_init: Any = init.Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        shape = incoming if isinstance(incoming, tuple) else incoming.output_shape
        name = kwargs.get("name")
        called = {"in": f"{name}.input_to_hidden", "hid": f"{name}.hidden_to_hidden"}
        if name is None:
            called = {"in": "input_to_hidden", "hid": "hidden_to_hidden"}
        to_hidden = DenseLayer(
            InputLayer((None, *shape[2:])), num_units, W=W_in_to_hid, b=b, nonlinearity=None,
            name=called["in"],
        )
        between = DenseLayer(
            InputLayer((None, num_units)), num_units, W=W_hid_to_hid, b=None, nonlinearity=None,
            name=called["hid"],
        )
        self.num_units = num_units
        self.W_in_to_hid = to_hidden.W
        self.W_hid_to_hid = between.W
        self.b = to_hidden.b
        super().__init__(
            incoming, to_hidden, between, nonlinearity=nonlinearity, hid_init=hid_init,
            backwards=backwards, learn_init=learn_init, gradient_steps=gradient_steps,
            grad_clipping=grad_clipping, unroll_scan=unroll_scan,
            precompute_input=precompute_input, mask_input=mask_input,
            only_return_final=only_return_final, **kwargs,
        )


class Gate:
    """Parameters of one gate of an `LSTMLayer` or `GRULayer`.

    Parameters
    ----------
    W_in, W_hid, W_cell, b : number, numpy.ndarray, tensor or callable
        Weights of the input, of the state before, of the cell (peepholes, a vector), and biases.
    nonlinearity : callable or None
        None for the identity.
    """

    def __init__(
        self,
        W_in: Any = init.Normal(0.1),  # noqa: B008
        W_hid: Any = init.Normal(0.1),  # noqa: B008
        W_cell: Any = init.Normal(0.1),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.sigmoid,
    ) -> None:
        self.W_in = W_in
        self.W_hid = W_hid
        self.W_cell = W_cell
        self.b = b
        self.nonlinearity = nonlinearities.function_of(nonlinearity)


class _GatedLayer(_Recurrent):
    """A recurrent layer whose products for all gates are one product."""

    num_units: int

    def _add_gates(self, gates: Sequence[tuple[str, Gate]]) -> None:
        """Make the parameters of the gates; sets W_in_to_..., W_hid_to_..., b_... of each."""
        features = self.input_shapes[0][2:]
        if not features or None in features:
            raise ValueError(
                f"{self._called()} needs known lengths after batch and time, got input of shape "
                f"{self.input_shapes[0]}"
            )
        inputs, units = int(np.prod(features)), self.num_units
        self._gates = [name for name, _ in gates]
        for name, gate in gates:
            for attribute, spec, shape in (
                (f"W_in_to_{name}", gate.W_in, (inputs, units)),
                (f"W_hid_to_{name}", gate.W_hid, (units, units)),
            ):
                setattr(self, attribute, self.add_param(spec, shape, name=attribute))
            bias = self.add_param(gate.b, (units,), name=f"b_{name}", regularizable=False)
            setattr(self, f"b_{name}", bias)
            setattr(self, f"nonlinearity_{name}", gate.nonlinearity)

    def _joined(self, prefix: str) -> Any:
        return T.concatenate([getattr(self, prefix + name) for name in self._gates], axis=-1)

    def _part(self, x: Any, k: int) -> Any:
        return x[:, k * self.num_units : (k + 1) * self.num_units]

    def _clipped(self, x: Any) -> Any:
        if not self.grad_clipping:
            return x
        return symc.gradient.grad_clip(x, -self.grad_clipping, self.grad_clipping)

    def _loop(self, step: Callable[..., list[Any]], inputs: Any, more: list[Any]) -> list[Any]:
        """Run ``step(from_input, states, W_hid, more)`` over time."""
        x = inputs[0]
        if x.ndim > 3:
            x = x.flatten(3)
        rows = _time_first(x)
        W_in, W_hid, b = (self._joined(p) for p in ("W_in_to_", "W_hid_to_", "b_"))
        if self.precompute_input:
            rows = T.dot(rows, W_in) + b

        def whole(row: Any, *arguments: Any) -> list[Any]:
            *rest, weights, biases = arguments
            if not self.precompute_input:
                row = T.dot(row, weights) + biases
            return step(row, *rest)

        return self._run(whole, rows, inputs, [W_hid, *more, W_in, b])


class LSTMLayer(_GatedLayer):
    """Long short-term memory.

    With the gates' pre-activations ``a = x_t W_in + h_{t-1} W_hid + b``: ``i = s(a_i + w_i
    c_{t-1})``, ``f = s(a_f + w_f c_{t-1})``, ``c_t = f c_{t-1} + i g(a_c)``, ``o = s(a_o + w_o
    c_t)``, ``h_t = o nonlinearity(c_t)`` (Hochreiter and Schmidhuber 1997; with forget gates and
    peepholes as in Graves 2013, "Generating sequences with recurrent neural networks", equations 7
    to 11).

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, time, features...).
    num_units : int
    ingate, forgetgate, cell, outgate : Gate
        `cell` has no peepholes.
    nonlinearity : callable or None
        Of the cell, for the output.
    cell_init, hid_init : number, numpy.ndarray, tensor, callable or Layer
        First states.
    peepholes : bool
        Whether gates see the cell.
    backwards, learn_init, gradient_steps, grad_clipping, unroll_scan, precompute_input, \
mask_input, only_return_final, name
        As for `CustomRecurrentLayer`.
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        ingate: Gate = Gate(),  # noqa: B008
        forgetgate: Gate = Gate(),  # noqa: B008
        cell: Gate = Gate(W_cell=None, nonlinearity=nonlinearities.tanh),  # noqa: B008
        outgate: Gate = Gate(),  # noqa: B008
        nonlinearity: Any = nonlinearities.tanh,
        cell_init: Any = init.Constant(0.0),  # noqa: B008
        hid_init: Any = init.Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        peepholes: bool = True,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        self.nonlinearity = nonlinearities.function_of(nonlinearity)
        self.num_units = num_units
        self.peepholes = peepholes
        units = (num_units,)
        super().__init__(
            incoming, [("cell_init", cell_init, units), ("hid_init", hid_init, units)], backwards,
            learn_init, gradient_steps, grad_clipping, unroll_scan, precompute_input, mask_input,
            only_return_final, **kwargs,
        )
        self._add_gates(
            [("ingate", ingate), ("forgetgate", forgetgate), ("cell", cell), ("outgate", outgate)]
        )
        if peepholes:
            seeing = (("ingate", ingate), ("forgetgate", forgetgate), ("outgate", outgate))
            for name, gate in seeing:
                attribute = f"W_cell_to_{name}"
                setattr(self, attribute, self.add_param(gate.W_cell, units, name=attribute))
        self._add_firsts(cell_init, hid_init)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The outputs ``h`` of all steps, or of the last."""

        def step(row: Any, cell: Any, hidden: Any, W_hid: Any, *peep: Any) -> list[Any]:
            gates = self._clipped(row + T.dot(hidden, W_hid))
            into, keep, new, out = (self._part(gates, k) for k in range(4))
            if self.peepholes:
                into, keep = into + cell * peep[0], keep + cell * peep[1]
            into = self.nonlinearity_ingate(into)  # type: ignore[attr-defined]
            keep = self.nonlinearity_forgetgate(keep)  # type: ignore[attr-defined]
            cell = keep * cell + into * self.nonlinearity_cell(new)  # type: ignore[attr-defined]
            if self.peepholes:
                out = out + cell * peep[2]
            out = self.nonlinearity_outgate(out)  # type: ignore[attr-defined]
            return [cell, out * self.nonlinearity(cell)]

        names = ("ingate", "forgetgate", "outgate") if self.peepholes else ()
        peepholes = [getattr(self, f"W_cell_to_{name}") for name in names]
        return self._returned(self._loop(step, inputs, peepholes)[1])


class GRULayer(_GatedLayer):
    """Gated recurrent units.

    ``r = s(x_t W_r + h_{t-1} U_r + b_r)``, ``u = s(x_t W_u + h_{t-1} U_u + b_u)``, ``c = t(x_t W_c
    + r (h_{t-1} U_c) + b_c)``, ``h_t = (1 - u) h_{t-1} + u c`` (Cho and others 2014; with the reset
    gate after the product, as in Chung, Gulcehre, Cho and Bengio 2014, footnote).

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, time, features...).
    num_units : int
    resetgate, updategate, hidden_update : Gate
        Without peepholes.
    hid_init : number, numpy.ndarray, tensor, callable or Layer
        First state.
    backwards, learn_init, gradient_steps, grad_clipping, unroll_scan, precompute_input, \
mask_input, only_return_final, name
        As for `CustomRecurrentLayer`.
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        resetgate: Gate = Gate(W_cell=None),  # noqa: B008
        updategate: Gate = Gate(W_cell=None),  # noqa: B008
        hidden_update: Gate = Gate(W_cell=None, nonlinearity=nonlinearities.tanh),  # noqa: B008
        hid_init: Any = init.Constant(0.0),  # noqa: B008
        backwards: bool = False,
        learn_init: bool = False,
        gradient_steps: int = -1,
        grad_clipping: float = 0,
        unroll_scan: bool = False,
        precompute_input: bool = True,
        mask_input: Any = None,
        only_return_final: bool = False,
        **kwargs: Any,
    ) -> None:
        self.num_units = num_units
        super().__init__(
            incoming, [("hid_init", hid_init, (num_units,))], backwards, learn_init,
            gradient_steps, grad_clipping, unroll_scan, precompute_input, mask_input,
            only_return_final, **kwargs,
        )
        self._add_gates(
            [("updategate", updategate), ("resetgate", resetgate),
             ("hidden_update", hidden_update)]
        )
        self._add_firsts(hid_init)

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The states of all steps, or of the last."""

        def step(row: Any, hidden: Any, W_hid: Any) -> list[Any]:
            from_hidden = T.dot(hidden, W_hid)
            row, from_hidden = self._clipped(row), self._clipped(from_hidden)
            update, reset = (self._part(row + from_hidden, k) for k in range(2))
            reset = self.nonlinearity_resetgate(reset)  # type: ignore[attr-defined]
            update = self.nonlinearity_updategate(update)  # type: ignore[attr-defined]
            new = self._clipped(self._part(row, 2) + reset * self._part(from_hidden, 2))
            new = self.nonlinearity_hidden_update(new)  # type: ignore[attr-defined]
            return [(1 - update) * hidden + update * new]

        return self._returned(self._loop(step, inputs, [])[0])
