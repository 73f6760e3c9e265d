"""Every distribution against SciPy's: Kolmogorov-Smirnov, chi-square, moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import symc
import symc.tensor as T
from symc.sandbox.rng_mrg import MRG_RandomStreams
from symc.scalar.sampling import within_two
from symc.tensor.shared_randomstreams import RandomStreams

COUNT = 20_000
LEAST = 1e-3
"""The least probability that a right sample may look as bad as it does."""

CONTINUOUS = {
    "uniform": (lambda s, **k: s.uniform((COUNT,), -1.0, 3.0, **k), stats.uniform(-1, 4)),
    "normal": (lambda s, **k: s.normal((COUNT,), 2.0, 0.5, **k), stats.norm(2, 0.5)),
    "truncated_normal": (
        lambda s, **k: s.truncated_normal((COUNT,), 1.0, 2.0, **k),
        stats.truncnorm(-2, 2, 1, 2),
    ),
    "gamma_small": (lambda s, **k: s.gamma((COUNT,), 0.3, 2.0, **k), stats.gamma(0.3, scale=2)),
    "gamma_one": (lambda s, **k: s.gamma((COUNT,), 1.0, **k), stats.gamma(1)),
    "gamma_large": (lambda s, **k: s.gamma((COUNT,), 500.0, **k), stats.gamma(500)),
    "chisquare": (lambda s, **k: s.chisquare((COUNT,), 3.0, **k), stats.chi2(3)),
    "beta": (lambda s, **k: s.beta((COUNT,), 2.0, 5.0, **k), stats.beta(2, 5)),
    "beta_small": (lambda s, **k: s.beta((COUNT,), 0.4, 0.7, **k), stats.beta(0.4, 0.7)),
    "standard_t": (lambda s, **k: s.standard_t((COUNT,), 5.0, **k), stats.t(5)),
    "exponential": (lambda s, **k: s.exponential((COUNT,), 2.0, **k), stats.expon(scale=2)),
    "rayleigh": (lambda s, **k: s.rayleigh((COUNT,), 2.0, **k), stats.rayleigh(scale=2)),
    "weibull": (lambda s, **k: s.weibull((COUNT,), 1.7, **k), stats.weibull_min(1.7)),
    "laplace": (lambda s, **k: s.laplace((COUNT,), 1.0, 2.0, **k), stats.laplace(1, 2)),
    "logistic": (lambda s, **k: s.logistic((COUNT,), 1.0, 2.0, **k), stats.logistic(1, 2)),
    "gumbel": (lambda s, **k: s.gumbel((COUNT,), 1.0, 2.0, **k), stats.gumbel_r(1, 2)),
    "cauchy": (lambda s, **k: s.cauchy((COUNT,), 1.0, 2.0, **k), stats.cauchy(1, 2)),
    "lognormal": (lambda s, **k: s.lognormal((COUNT,), 1.0, 0.5, **k),
                  stats.lognorm(0.5, scale=np.e)),
}  # fmt: skip

DISCRETE = {
    "bernoulli": (lambda s: s.binomial((COUNT,), p=0.3), stats.binom(1, 0.3)),
    "bernoulli_rare": (lambda s: s.binomial((COUNT,), p=5e-4), stats.binom(1, 5e-4)),
    "binomial_few": (lambda s: s.binomial((COUNT,), n=4, p=0.3), stats.binom(4, 0.3)),
    "binomial_border": (lambda s: s.binomial((COUNT,), n=20, p=0.5), stats.binom(20, 0.5)),
    "binomial_many": (lambda s: s.binomial((COUNT,), n=1000, p=0.3), stats.binom(1000, 0.3)),
    "binomial_mirrored": (lambda s: s.binomial((COUNT,), n=300, p=0.9), stats.binom(300, 0.9)),
    "binomial_rare": (lambda s: s.binomial((COUNT,), n=10**9, p=3e-9), stats.poisson(3)),
    "poisson_few": (lambda s: s.poisson((COUNT,), 2.5), stats.poisson(2.5)),
    "poisson_below": (lambda s: s.poisson((COUNT,), 9.99), stats.poisson(9.99)),
    "poisson_border": (lambda s: s.poisson((COUNT,), 10.0), stats.poisson(10)),
    "poisson_many": (lambda s: s.poisson((COUNT,), 300.0), stats.poisson(300)),
    "geometric": (lambda s: s.geometric((COUNT,), 0.2), stats.geom(0.2)),
    "negative_binomial": (lambda s: s.negative_binomial((COUNT,), 3.5, 0.4),
                          stats.nbinom(3.5, 0.4)),
    "random_integers": (lambda s: s.random_integers((COUNT,), -2, 9), stats.randint(-2, 10)),
    "randint": (lambda s: s.randint((COUNT,), 7), stats.randint(0, 7)),
    "choice": (lambda s: s.choice((COUNT,), 5), stats.randint(0, 5)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_continuous_distributions(dtype):
    streams = RandomStreams(11)
    drawn = [draw(streams, dtype=dtype) for draw, _ in CONTINUOUS.values()]
    samples = symc.function([], drawn)()
    for (name, (_, law)), values in zip(CONTINUOUS.items(), samples, strict=True):
        assert values.dtype == dtype
        wide = values.astype("float64")
        assert stats.kstest(wide, law.cdf).pvalue > LEAST, name
        if name not in ("cauchy", "standard_t"):
            error = law.std() / np.sqrt(COUNT)
            assert abs(wide.mean() - law.mean()) < 4.5 * error, name
            assert abs(wide.std() / law.std() - 1) < 0.1, name


def chi_square(values: np.ndarray, law: stats.rv_discrete) -> float:
    """The probability of a sample that fits no better; rare values are taken together."""
    low, high = int(law.ppf(1e-6)), int(law.ppf(1 - 1e-6))
    places = np.arange(low, high + 1)
    expected = law.pmf(places) * len(values)
    observed = np.array([np.count_nonzero(values == k) for k in places])
    often = expected >= 8
    rest = len(values) - expected[often].sum(), len(values) - observed[often].sum()
    expected, observed = expected[often], observed[often]
    if rest[0] > 1e-3 * len(values):
        expected, observed = np.append(expected, rest[0]), np.append(observed, rest[1])
    return stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue


def test_discrete_distributions():
    streams = RandomStreams(12)
    samples = symc.function([], [draw(streams) for draw, _ in DISCRETE.values()])()
    for (name, (_, law)), values in zip(DISCRETE.items(), samples, strict=True):
        assert values.dtype == "int64"
        support = law.support()
        assert values.min() >= support[0], name
        assert values.max() <= support[1], name
        assert chi_square(values, law) > LEAST, name
        assert abs(values.mean() - law.mean()) < 4.5 * law.std() / np.sqrt(COUNT), name


@pytest.mark.parametrize("size", [1e12, 1e15])
def test_huge_counts_have_the_right_spread(size):
    streams = RandomStreams(3)
    draws = [streams.poisson((COUNT,), size), streams.binomial((COUNT,), n=int(size), p=0.5)]
    many, half = symc.function([], draws)()
    for values, mean, spread in ((many, size, size**0.5), (half, size / 2, size**0.5 / 2)):
        z = (values - mean) / spread
        assert stats.kstest(z, "norm").pvalue > LEAST


def test_the_inverse_of_the_normal_integral():
    shares = np.r_[np.linspace(0, 1 - 2.0**-53, 1001), 2.0**-24, 0.0785, 0.9215]
    law = stats.truncnorm(-2, 2)
    np.testing.assert_allclose(within_two.numpy(shares), law.ppf(shares), rtol=1e-12, atol=1e-14)


def test_dirichlet_vectors():
    f = symc.function([], RandomStreams(4).dirichlet((COUNT,), [1.0, 2.0, 0.5], dtype="float64"))
    values = f()
    assert values.shape == (COUNT, 3)
    np.testing.assert_allclose(values.sum(1), 1, rtol=1e-12)
    for column, a in zip(values.T, (1.0, 2.0, 0.5), strict=True):
        assert stats.kstest(column, stats.beta(a, 3.5 - a).cdf).pvalue > LEAST


@pytest.mark.parametrize("trials", [1, 2, 50])
def test_multinomial(trials):
    weights = np.array([0.1, 0.0, 0.5, 0.4, 0.0])
    counts = symc.function([], RandomStreams(5).multinomial((COUNT,), trials, weights))()
    assert counts.shape == (COUNT, 5)
    assert (counts.sum(1) == trials).all()
    assert not counts[:, [1, 4]].any()
    for k in (0, 2, 3):
        if trials == 1:
            assert abs(counts[:, k].mean() - weights[k]) < 0.02
        else:
            assert chi_square(counts[:, k], stats.binom(trials, weights[k])) > LEAST
    correlation = np.corrcoef(counts[:, [0, 2]].T)[0, 1]
    assert abs(correlation + np.sqrt(0.1 * 0.5 / (0.9 * 0.5))) < 0.03


def test_multinomial_of_rows_of_probabilities():
    pvals, n = T.dmatrix(), T.lvector()
    streams = MRG_RandomStreams()
    f = symc.function(
        [pvals, n], [streams.multinomial(pvals=pvals), streams.multinomial(n=n, pvals=pvals)]
    )
    p = np.array([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    one, several = (np.array(x) for x in zip(*(f(p, [3, 8, 0]) for _ in range(2000)), strict=True))
    np.testing.assert_array_equal(one[:, [0, 2]], np.tile(p[[0, 2]], (2000, 1, 1)))
    assert np.abs(one[:, 1].mean(0) - p[1]).max() < 0.05
    np.testing.assert_array_equal(several.sum(2), np.tile([3, 8, 0], (2000, 1)))
    assert chi_square(several[:, 1, 0], stats.binom(8, 0.5)) > LEAST


def test_drawing_without_replacement():
    """The first category follows the weights, the second those of what is left."""
    weights = np.array([0.5, 0.3, 0.2, 0.0])
    streams = MRG_RandomStreams(3)
    f = symc.function([], streams.multinomial_wo_replacement((COUNT,), n=2, pvals=weights))
    pairs = f()
    assert pairs.shape == (COUNT, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert pairs.max() == 2
    expected = np.array([
        weights[a] * weights[b] / (1 - weights[a]) for a in range(3) for b in range(3) if a != b
    ])  # fmt: skip
    observed = [((pairs == (a, b)).all(1)).sum() for a in range(3) for b in range(3) if a != b]
    assert stats.chisquare(observed, expected * COUNT).pvalue > LEAST


def test_choices():
    streams = RandomStreams(8)
    weights, values = np.array([0.2, 0.0, 0.8]), np.array([1.5, 2.5, 3.5], "float32")
    rows = T.dmatrix()
    f = symc.function([rows], [
        streams.choice((50, 40), 3, p=weights),
        streams.choice((100,), values),
        streams.choice((2, 3), 6, replace=False),
        streams.choice((2,), values, replace=False, p=[0.5, 0.0, 0.5]),
        streams.choice(),
        MRG_RandomStreams().choice(size=400, a=2, p=rows),
    ])  # fmt: skip
    weighted, elements, whole, two, one, by_rows = f([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert set(weighted.ravel()) == {0, 2}
    assert abs((weighted == 2).mean() - 0.8) < 0.04
    assert elements.dtype == "float32"
    assert set(elements) == set(values)
    np.testing.assert_array_equal(np.sort(whole.ravel()), np.arange(6))
    assert set(two) == {values[0], values[2]}
    assert one.shape == ()
    assert one in (0, 1)
    assert by_rows.shape == (3, 400)
    np.testing.assert_allclose(by_rows.mean(1), [0, 1, 0.5], atol=0.12)


def test_permutations():
    n, x = T.lscalar(), T.dmatrix()
    streams = RandomStreams(2)
    f = symc.function(
        [n, x], [streams.permutation(size=(3000,), n=n), streams.shuffle_row_elements(x)]
    )
    rows = np.arange(12.0).reshape(3, 4)
    orders, shuffled = f(3, rows)
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > LEAST
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), rows)
    for length in (0, 1):
        orders, shuffled = f(length, np.ones((2, length)))
        np.testing.assert_array_equal(orders, np.zeros((3000, length)))
        assert shuffled.shape == (2, length)


def test_independence():
    """Streams, successive calls, neighbours, and draws that share counters of one state."""
    streams = RandomStreams(5)
    f = symc.function([], [streams.normal((COUNT,), dtype="float64") for _ in range(3)])
    rows = [*f(), *f()]
    rows += [rows[0][np.r_[k:COUNT, :k]] for k in (1, 32, 64, 128)]
    assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 0.03
    squares = np.corrcoef(np.square(rows))
    assert np.abs(squares - np.eye(len(rows))).max() < 0.03
    g = symc.function([], streams.gamma((COUNT,), 2.0, dtype="float64"))
    pairs = np.corrcoef([g(), g(), rows[0]])
    assert np.abs(pairs - np.eye(3)).max() < 0.03


def test_neighbouring_seeds_are_independent():
    rows = [
        symc.function([], RandomStreams(seed).uniform((COUNT,), dtype="float64"))()
        for seed in (0, 1, 2, [0, 1], [1, 0])
    ]
    assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 0.03
