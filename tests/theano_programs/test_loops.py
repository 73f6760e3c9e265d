"""Programs in the manner of tutorials: loops, chains of Gibbs draws, LSTM, RNN-RBM."""

from __future__ import annotations

import numpy as np
import pytest

import symc as theano
import symc.tensor as T
from symc import config
from symc.ifelse import ifelse
from symc.sandbox.rng_mrg import MRG_RandomStreams
from symc.tensor.shared_randomstreams import RandomStreams

RNG = np.random.RandomState(23455)


def floats(*shape, scale=0.3):
    return np.asarray(scale * RNG.uniform(-1, 1, shape), dtype=config.floatX)


# ---- the tutorial on scan


def test_tanh_of_products():
    X, W, b_sym = T.matrix("X"), T.matrix("W"), T.vector("b_sym")
    results, updates = theano.scan(lambda v: T.tanh(T.dot(v, W) + b_sym), sequences=X)
    compute = theano.function(inputs=[X, W, b_sym], outputs=results)
    x, w, b = np.eye(2), np.ones((2, 2)), np.array([1.0, 2.0])
    np.testing.assert_allclose(compute(x, w, b), np.tanh(x.dot(w) + b))
    assert not updates


def test_sequences_in_both_directions():
    X, W, Y = T.vector("X"), T.matrix("W"), T.matrix("Y")
    U, P, V = T.matrix("U"), T.matrix("P"), T.matrix("V")
    results, _ = theano.scan(
        lambda y, p, x_tm1: T.tanh(T.dot(x_tm1, W) + T.dot(y, U) + T.dot(p, V)),
        sequences=[Y, P[::-1]],
        outputs_info=[X],
    )
    f = theano.function(inputs=[X, W, Y, U, P, V], outputs=results)
    x, w, y, u, p, v = (floats(*s) for s in ((2,), (2, 2), (5, 2), (2, 2), (5, 2), (2, 2)))
    expected, h = [], x
    for t in range(5):
        h = np.tanh(h.dot(w) + y[t].dot(u) + p[4 - t].dot(v))
        expected.append(h)
    np.testing.assert_allclose(f(x, w, y, u, p, v), expected, rtol=1e-10)


def test_norms_of_lines_and_a_trace():
    X = T.matrix("X")
    lines, _ = theano.scan(lambda x_i: T.sqrt((x_i**2).sum()), sequences=[X])
    columns, _ = theano.scan(lambda x_i: T.sqrt((x_i**2).sum()), sequences=[X.T])
    trace, _ = theano.scan(
        lambda i, j, t_f: T.cast(X[i, j] + t_f, config.floatX),
        sequences=[T.arange(X.shape[0]), T.arange(X.shape[1])],
        outputs_info=np.asarray(0.0, dtype=config.floatX),
    )
    f = theano.function([X], [lines, columns, trace[-1]])
    x = floats(4, 4)
    a, b, c = f(x)
    np.testing.assert_allclose(a, np.sqrt((x**2).sum(1)))
    np.testing.assert_allclose(b, np.sqrt((x**2).sum(0)))
    np.testing.assert_allclose(c, np.trace(x))


def test_a_recurrence_of_two_taps():
    X, W, b_sym = T.matrix("X"), T.matrix("W"), T.vector("b_sym")
    U, V, n_sym = T.matrix("U"), T.matrix("V"), T.iscalar("n_sym")
    results, _ = theano.scan(
        lambda x_tm2, x_tm1: T.dot(x_tm2, U) + T.dot(x_tm1, V) + T.tanh(T.dot(x_tm1, W) + b_sym),
        n_steps=n_sym,
        outputs_info=[dict(initial=X, taps=[-2, -1])],  # noqa: C408 - as programs write it
    )
    f = theano.function(inputs=[X, U, V, W, b_sym, n_sym], outputs=results)
    x, u, v, w, b = (floats(*s) for s in ((2, 2), (2, 2), (2, 2), (2, 2), (2,)))
    rows = list(x)
    for _ in range(10):
        rows.append(rows[-2].dot(u) + rows[-1].dot(v) + np.tanh(rows[-1].dot(w) + b))
    np.testing.assert_allclose(f(x, u, v, w, b, 10), rows[2:], rtol=1e-9)


def test_a_jacobian():
    v, A = T.vector(), T.matrix()
    y = T.tanh(T.dot(v, A))
    results, _ = theano.scan(
        lambda i: T.grad(y[i], v), sequences=[T.arange(y.shape[0])]
    )
    f = theano.function([A, v], results, allow_input_downcast=True)
    a, x = floats(3, 2), floats(3)
    np.testing.assert_allclose(f(a, x), ((1 - np.tanh(x.dot(a)) ** 2) * a).T, rtol=1e-8)


def test_a_counter_and_a_mask():
    k = theano.shared(0)
    n_sym = T.iscalar("n_sym")
    _, updates = theano.scan(lambda: {k: (k + 1)}, n_steps=n_sym)
    accumulate = theano.function([n_sym], [], updates=updates, allow_input_downcast=True)
    accumulate(5)
    accumulate(5)
    assert k.get_value() == 10
    trng = RandomStreams(1234)
    X, W, b_sym = T.matrix("X"), T.matrix("W"), T.vector("b_sym")
    d = trng.binomial(size=W[1].shape)
    anew, updates = theano.scan(lambda v: T.tanh(T.dot(v, W) + b_sym) * d, sequences=X)
    once, _ = theano.scan(
        lambda v, d_: T.tanh(T.dot(v, W) + b_sym) * d_, sequences=X, non_sequences=d
    )
    f = theano.function([X, W, b_sym], anew, updates=updates, allow_input_downcast=True)
    g = theano.function([X, W, b_sym], once, allow_input_downcast=True)
    x, w, b = np.eye(50, 2), np.ones((2, 2)), np.array([1.0, 2.0])
    masks = set()
    for _ in range(10):
        zero = g(x, w, b) == 0
        assert (zero.all(0) | ~zero.any(0)).all()  # one mask for all steps
        masks.add(tuple(zero[0]))
        assert 0.2 < (f(x, w, b) == 0).mean() < 0.8
    assert len(masks) > 1


def test_a_power_a_polynomial_and_a_while_loop():
    k, A = T.iscalar("k"), T.vector("A")
    result, updates = theano.scan(
        fn=lambda prior_result, A: prior_result * A,
        outputs_info=T.ones_like(A),
        non_sequences=A,
        n_steps=k,
    )
    power = theano.function(inputs=[A, k], outputs=result[-1], updates=updates)
    np.testing.assert_allclose(power(range(10), 4), np.arange(10.0) ** 4)
    coefficients, x = T.vector("coefficients"), T.scalar("x")
    components, _ = theano.scan(
        fn=lambda coefficient, power, free_variable: coefficient * (free_variable**power),
        outputs_info=None,
        sequences=[coefficients, T.arange(10_000)],
        non_sequences=x,
    )
    polynomial = theano.function(inputs=[coefficients, x], outputs=components.sum())
    assert polynomial(np.asarray([1, 0, 2], dtype=config.floatX), 3) == 19.0

    def power_of_2(previous_power, max_value):
        return previous_power * 2, theano.scan_module.until(previous_power * 2 > max_value)

    max_value = T.scalar()
    values, _ = theano.scan(
        power_of_2, outputs_info=T.constant(1.0), non_sequences=max_value, n_steps=1024
    )
    f = theano.function([max_value], values)
    np.testing.assert_array_equal(f(45), [2, 4, 8, 16, 32, 64])


def test_fewer_arguments_by_strict():
    W = theano.shared(floats(3, 3), name="W")
    v = T.vector("v")
    with pytest.raises(theano.errors.MissingInputError):
        theano.scan(lambda h: T.dot(h, W), outputs_info=v, n_steps=3, strict=True)
    h, _ = theano.scan(
        lambda h, W_: T.dot(h, W_), outputs_info=v, non_sequences=W, n_steps=3, strict=True
    )
    w, x = W.get_value(), floats(3)
    np.testing.assert_allclose(theano.function([v], h[-1])(x), x.dot(w).dot(w).dot(w), rtol=1e-9)


# ---- an RBM with CD-k and PCD


class RBM:
    """A restricted Boltzmann machine as in the tutorials on deep learning."""

    def __init__(self, v, n_visible, n_hidden, streams=RandomStreams):
        self.W = theano.shared(floats(n_visible, n_hidden, scale=0.05), name="W", borrow=True)
        self.hbias = theano.shared(np.zeros(n_hidden, config.floatX), name="hbias", borrow=True)
        self.vbias = theano.shared(np.zeros(n_visible, config.floatX), name="vbias", borrow=True)
        self.theano_rng = streams(7)
        self.input, self.params = v, [self.W, self.hbias, self.vbias]
        self.n_visible = n_visible

    def free_energy(self, v_sample):
        wx_b = T.dot(v_sample, self.W) + self.hbias
        return -T.sum(T.log(1 + T.exp(wx_b)), axis=1) - T.dot(v_sample, self.vbias)

    def propup(self, vis):
        pre = T.dot(vis, self.W) + self.hbias
        return [pre, T.nnet.sigmoid(pre)]

    def propdown(self, hid):
        pre = T.dot(hid, self.W.T) + self.vbias
        return [pre, T.nnet.sigmoid(pre)]

    def sample_h_given_v(self, v0):
        pre, mean = self.propup(v0)
        sample = self.theano_rng.binomial(size=mean.shape, n=1, p=mean, dtype=config.floatX)
        return [pre, mean, sample]

    def sample_v_given_h(self, h0):
        pre, mean = self.propdown(h0)
        sample = self.theano_rng.binomial(size=mean.shape, n=1, p=mean, dtype=config.floatX)
        return [pre, mean, sample]

    def gibbs_hvh(self, h0):
        return [*self.sample_v_given_h(h0), *self.sample_h_given_v(self.sample_v_given_h(h0)[2])]

    def gibbs_vhv(self, v0):
        h = self.sample_h_given_v(v0)
        return [*h, *self.sample_v_given_h(h[2])]

    def cost_updates(self, lr, persistent, k):
        _, _, ph_sample = self.sample_h_given_v(self.input)
        chain_start = ph_sample if persistent is None else persistent

        def gibbs_hvh(h0):
            v = self.sample_v_given_h(h0)
            return [*v, *self.sample_h_given_v(v[2])]

        (outs, updates) = theano.scan(
            gibbs_hvh,
            outputs_info=[None, None, None, None, None, chain_start],
            n_steps=k,
            name="gibbs_hvh",
        )
        pre_nvs, _, nv_samples, _, _, nh_samples = outs
        chain_end = nv_samples[-1]
        cost = T.mean(self.free_energy(self.input)) - T.mean(self.free_energy(chain_end))
        gparams = T.grad(cost, self.params, consider_constant=[chain_end])
        for gparam, param in zip(gparams, self.params, strict=True):
            updates[param] = param - gparam * T.cast(lr, dtype=config.floatX)
        if persistent is not None:
            updates[persistent] = nh_samples[-1]
            return self.pseudo_likelihood(updates), updates
        sigmoid = T.nnet.sigmoid(pre_nvs[-1])
        x = self.input
        entropy = x * T.log(sigmoid) + (1 - x) * T.log(1 - sigmoid)
        return T.mean(T.sum(entropy, axis=1)), updates

    def pseudo_likelihood(self, updates):
        bit_i_idx = theano.shared(value=0, name="bit_i_idx")
        xi = T.round(self.input)
        xi_flip = T.set_subtensor(xi[:, bit_i_idx], 1 - xi[:, bit_i_idx])
        difference = self.free_energy(xi_flip) - self.free_energy(xi)
        updates[bit_i_idx] = (bit_i_idx + 1) % self.n_visible
        return T.mean(self.n_visible * T.log(T.nnet.sigmoid(difference)))


def _bars(count):
    """Pictures of 3 x 3 with one full row."""
    rows = np.zeros((count, 3, 3), config.floatX)
    rows[np.arange(count), RNG.randint(3, size=count)] = 1
    return rows.reshape(count, 9)


@pytest.mark.parametrize("streams", [RandomStreams, MRG_RandomStreams])
@pytest.mark.parametrize("persistent", [False, True])
def test_an_rbm_learns(streams, persistent):
    x, index = T.matrix("x"), T.lscalar("index")
    rbm = RBM(x, 9, 12, streams)
    chain = theano.shared(np.zeros((20, 12), config.floatX), borrow=True) if persistent else None
    cost, updates = rbm.cost_updates(0.3, chain, 5)
    data = theano.shared(_bars(200), borrow=True)
    train = theano.function(
        [index], cost, updates=updates, givens={x: data[index * 20 : (index + 1) * 20]}
    )
    first = np.mean([train(i) for i in range(10)])
    for _ in range(40):
        last = np.mean([train(i) for i in range(10)])
    assert last > first + 1.0
    # Chains of many steps that go on from call to call visit pictures with one full row.
    visible = theano.shared(_bars(50))
    outs, updates = theano.scan(
        rbm.gibbs_vhv, outputs_info=[None, None, None, None, None, visible], n_steps=200
    )
    updates[visible] = outs[-1][-1]
    sample = theano.function([], [outs[-2][-1], outs[-1][-1]], updates=updates)
    mean, drawn = sample()
    np.testing.assert_array_equal(visible.get_value(), drawn)
    bars = np.kron(np.eye(3), np.ones(3))
    far = np.abs(mean[:, None] - bars).mean(axis=2).min(axis=1)
    assert np.median(far) < 0.15


# ---- an RNN-RBM


def test_an_rnn_rbm_learns():
    n_visible, n_hidden, n_recurrent = 6, 8, 5
    W, Wuh, Wuv, Wvu, Wuu = (
        theano.shared(floats(*s, scale=0.1))
        for s in (
            (n_visible, n_hidden),
            (n_recurrent, n_hidden),
            (n_recurrent, n_visible),
            (n_visible, n_recurrent),
            (n_recurrent, n_recurrent),
        )
    )
    bv, bh, bu = (
        theano.shared(np.zeros(n, config.floatX)) for n in (n_visible, n_hidden, n_recurrent)
    )
    params = [W, bv, bh, Wuh, Wuv, Wvu, Wuu, bu]
    rng = RandomStreams(seed=3)

    def build_rbm(v, W, bv, bh, k):
        def gibbs_step(v):
            mean_h = T.nnet.sigmoid(T.dot(v, W) + bh)
            h = rng.binomial(size=mean_h.shape, n=1, p=mean_h, dtype=config.floatX)
            mean_v = T.nnet.sigmoid(T.dot(h, W.T) + bv)
            v = rng.binomial(size=mean_v.shape, n=1, p=mean_v, dtype=config.floatX)
            return mean_v, v

        chain, updates = theano.scan(
            lambda v: gibbs_step(v)[1], outputs_info=[v], n_steps=k
        )
        v_sample = chain[-1]
        mean_v = gibbs_step(v_sample)[0]
        monitor = T.xlogx.xlogy0(v, mean_v) + T.xlogx.xlogy0(1 - v, 1 - mean_v)
        monitor = monitor.sum() / v.shape[0]

        def free_energy(v):
            return -(v * bv).sum() - T.log(1 + T.exp(T.dot(v, W) + bh)).sum()

        cost = (free_energy(v) - free_energy(v_sample)) / v.shape[0]
        return v_sample, cost, monitor, updates

    v, u0 = T.matrix(), T.zeros((n_recurrent,))

    def recurrence(v_t, u_tm1):
        generate = v_t is None
        bv_t, bh_t = bv + T.dot(u_tm1, Wuv), bh + T.dot(u_tm1, Wuh)
        if generate:
            v_t, _, _, updates = build_rbm(T.zeros((n_visible,)), W, bv_t, bh_t, k=25)
        u_t = T.tanh(bu + T.dot(v_t, Wvu) + T.dot(u_tm1, Wuu))
        return ([v_t, u_t], updates) if generate else [u_t, bv_t, bh_t]

    (_, bv_t, bh_t), updates_train = theano.scan(
        lambda v_t, u_tm1, *_: recurrence(v_t, u_tm1),
        sequences=v,
        outputs_info=[u0, None, None],
        non_sequences=params,
    )
    v_sample, cost, monitor, updates_rbm = build_rbm(v, W, bv_t[:], bh_t[:], k=5)
    updates_train.update(updates_rbm)
    (v_t, _), updates_generate = theano.scan(
        lambda u_tm1, *_: recurrence(None, u_tm1),
        outputs_info=[None, u0],
        non_sequences=params,
        n_steps=30,
    )
    gradient = T.grad(cost, params, consider_constant=[v_sample])
    updates_train.update((p, p - 0.1 * g) for p, g in zip(params, gradient, strict=True))
    train = theano.function([v], monitor, updates=updates_train)
    generate = theano.function([], v_t, updates=updates_generate)
    roll = np.tile(np.eye(n_visible, dtype=config.floatX)[[0, 2, 4]], (20, 1))
    first = np.mean([train(roll) for _ in range(5)])
    for _ in range(150):
        train(roll)
    last = np.mean([train(roll) for _ in range(5)])
    assert last > first + 1.5
    made = generate()
    assert made.shape == (30, n_visible)
    assert made[:, [1, 3, 5]].mean() < 0.1
    assert not np.array_equal(made, generate())


# ---- the LSTM of the tutorial on sentiment analysis


def test_the_lstm_of_sentiment_analysis_learns():
    dim, words, classes = 8, 12, 2
    streams = RandomStreams(123)
    use_noise = theano.shared(np.asarray(0.0, config.floatX))
    tparams = {
        "Wemb": floats(words, dim, scale=0.1),
        "lstm_W": np.hstack([floats(dim, dim, scale=0.5) for _ in range(4)]),
        "lstm_U": np.hstack([floats(dim, dim, scale=0.5) for _ in range(4)]),
        "lstm_b": np.zeros(4 * dim, config.floatX),
        "U": floats(dim, classes, scale=0.1),
        "b": np.zeros(classes, config.floatX),
    }
    tparams = {k: theano.shared(p, name=k) for k, p in tparams.items()}

    def _slice(_x, n, dim):
        return _x[:, :, n * dim : (n + 1) * dim] if _x.ndim == 3 else _x[:, n * dim : (n + 1) * dim]

    def _step(m_, x_, h_, c_):
        preact = T.dot(h_, tparams["lstm_U"])
        preact += x_
        i, f, o = (T.nnet.sigmoid(_slice(preact, k, dim)) for k in range(3))
        c = T.tanh(_slice(preact, 3, dim))
        c = f * c_ + i * c
        c = m_[:, None] * c + (1.0 - m_)[:, None] * c_
        h = o * T.tanh(c)
        h = m_[:, None] * h + (1.0 - m_)[:, None] * h_
        return h, c

    x, mask, y = T.matrix("x", dtype="int64"), T.matrix("mask"), T.vector("y", dtype="int64")
    n_timesteps, n_samples = x.shape[0], x.shape[1]
    emb = tparams["Wemb"][x.flatten()].reshape([n_timesteps, n_samples, dim])
    state_below = T.dot(emb, tparams["lstm_W"]) + tparams["lstm_b"]
    rval, _ = theano.scan(
        _step,
        sequences=[mask, state_below],
        outputs_info=[
            T.alloc(np.asarray(0.0, config.floatX), n_samples, dim),
            T.alloc(np.asarray(0.0, config.floatX), n_samples, dim),
        ],
        name="lstm_layers",
        n_steps=n_timesteps,
    )
    proj = (rval[0] * mask[:, :, None]).sum(axis=0) / mask.sum(axis=0)[:, None]
    proj = T.switch(
        use_noise,
        proj * streams.binomial(proj.shape, p=0.5, n=1, dtype=proj.dtype),
        proj * 0.5,
    )
    pred = T.nnet.softmax(T.dot(proj, tparams["U"]) + tparams["b"])
    cost = -T.log(pred[T.arange(n_samples), y] + 1e-8).mean()
    params = list(tparams.values())
    grads = T.grad(cost, wrt=params)
    # adadelta
    zipped, up2, rg2 = (
        [theano.shared(p.get_value() * np.asarray(0.0, config.floatX)) for p in params]
        for _ in range(3)
    )
    zgup = list(zip(zipped, grads, strict=True))
    rg2up = [(r, 0.95 * r + 0.05 * (g**2)) for r, g in zip(rg2, grads, strict=True)]
    f_grad_shared = theano.function([x, mask, y], cost, updates=zgup + rg2up)
    updir = [
        -T.sqrt(ru2 + 1e-6) / T.sqrt(r + 1e-6) * zg
        for zg, ru2, r in zip(zipped, up2, rg2, strict=True)
    ]
    ru2up = [(r, 0.95 * r + 0.05 * (ud**2)) for r, ud in zip(up2, updir, strict=True)]
    param_up = [(p, p + ud) for p, ud in zip(params, updir, strict=True)]
    lr = T.scalar(name="lr")
    f_update = theano.function([lr], [], updates=ru2up + param_up, on_unused_input="ignore")
    f_pred = theano.function([x, mask], pred.argmax(axis=1))

    lengths = RNG.randint(3, 9, size=60)
    tokens = RNG.randint(0, words, size=(8, 60))
    tokens[0] = RNG.randint(0, 2, size=60)  # the first word decides
    masks = (np.arange(8)[:, None] < lengths).astype(config.floatX)
    labels = tokens[0].copy()
    use_noise.set_value(1.0)
    for _ in range(160):
        f_grad_shared(tokens, masks, labels)
        f_update(0.01)
    use_noise.set_value(0.0)
    assert (f_pred(tokens, masks) == labels).mean() > 0.9


# ---- lazy branches


def test_lazy_branches_in_a_loop():
    x, n = T.vector("x"), T.iscalar("n")
    values, _ = theano.scan(
        lambda i, h: ifelse(T.eq(i % 2, 0), h + 1, h * 2),
        sequences=T.arange(n),
        outputs_info=x,
    )
    f = theano.function([x, n], [values, T.grad(values[-1].sum(), x)])
    got, slope = f([1.0, 2.0], 4)
    np.testing.assert_array_equal(got, [[2, 3], [4, 6], [5, 7], [10, 14]])
    np.testing.assert_array_equal(slope, [4, 4])
