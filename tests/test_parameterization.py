"""A model is one expression with a name that reads back, a start, and limits that are checked."""

import warnings

import numpy as np
import pytest
import sympy as sp

import reference
from gdbias import sims, theory
from gdbias.theory import InputError

NAMED = [f"{family}({L})" for family in reference.FAMILIES for L in (1, 2, 3, 4, 5, 64)]
CUSTOM = [
    theory.custom("u*v - w**2"),
    theory.custom(" u  *v "),
    theory.custom("u*v", start={"v": 0}),
    theory.custom("u*v", start=["2*alpha", -0.5]),
    theory.custom("u*v", start={"u": "( alpha\n + 1 )*alpha"}),
    theory.custom("0.5*a**3 + b", start=[1e-7, "alpha**2"]),
]


@pytest.mark.parametrize("name", NAMED)
def test_named_models_read_back(name):
    model = theory.parse(name)
    assert str(model) == name
    assert theory.parse(str(model)) == model
    assert theory.parse(f"  {name.replace('(', ' ( ').replace(')', ' ) ')}") == model


@pytest.mark.parametrize("model", CUSTOM, ids=str)
def test_custom_models_read_back(model):
    assert theory.parse(str(model)) == model


def test_numpy_integers_are_depths():
    assert theory.power(np.int64(3)) == theory.power(3)


def test_names_stay_on_one_line():  # they head the generated source as a comment
    assert all("\n" not in str(model) for model in CUSTOM)


@pytest.mark.parametrize("family", [theory.power, theory.difference, theory.product])
@pytest.mark.parametrize("depth", [0, -1, 65, 10**9, 2.5, 2.0, "x", "2", True, None])
def test_bad_depths(family, depth):
    with pytest.raises(InputError):
        family(depth)


def test_a_misspelt_family_is_named():
    with pytest.raises(theory.InputError, match="do you mean difference"):
        theory.parse("diference(2)")


@pytest.mark.parametrize("quoted", ["custom('u*v; u=alpha')", "custom('u*v'; u=alpha)", 'custom( "u*v; u=alpha" )'])
def test_parse_reads_an_expression_in_quotes(quoted):
    assert theory.parse(quoted) == theory.parse("custom(u*v; u=alpha)")


@pytest.mark.parametrize(
    "text",
    [
        "", "power", "power()", "power(0)", "power(-1)", "power(2.5)", "power(x)", "power(True)", "power(2", "power 2",
        "power(1000000000)", "Power(2)", "quartic(2)", "power(2)(3)", "custom", "custom()", "custom(3)", "custom(u*)",
        "custom(u*v; w=1)", "custom(u*v; u)", "custom(u*v; u=beta)", "custom(u*v # 1; 2)", "__import__('os')",
    ],
)  # fmt: skip
def test_parse_refuses(text):
    with pytest.raises(InputError):
        theory.parse(text)


@pytest.mark.parametrize(
    "name", ["alpha", "beta", "lr", "g", "s", "f", "x", "y", "xp", "np", "_u", "c1", "u_0", "u_i", "A_ij"]
)
def test_reserved_names(name):
    with pytest.raises(InputError, match=name):
        theory.custom(f"{name}*v")


@pytest.mark.parametrize("text", ["u - u + v", "0*u", "u**0", "u*v - v*u"])
def test_weights_that_cancel(text):
    with pytest.raises(InputError):
        theory.custom(text)


@pytest.mark.parametrize(
    "start", [["alpha"], ["alpha"] * 3, {"w": 1}, {"u": "beta"}, {"u": float("nan")}, {"u": float("inf")}, {"u": "1/2"}]
)
def test_bad_custom_starts(start):
    with pytest.raises(InputError):
        theory.custom("u*v", start=start)


@pytest.mark.parametrize("family", reference.FAMILIES)
@pytest.mark.parametrize("L", [1, 2, 3, 4])
def test_standard_start(family, L):
    model = theory.parse(f"{family}({L})")
    np.testing.assert_array_equal(model.theta0(0.3, 5), reference.standard_start(family, L, 0.3, 5))


def test_custom_start():
    model = theory.custom("u*v - w**2", start={"v": 0, "w": "alpha**2 - 1"})
    np.testing.assert_allclose(model.theta0(0.5, 2), [[0.5, 0.5], [0, 0], [-0.75, -0.75]], rtol=1e-15)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), "a", [0.1, 0.2], 1j, None])
def test_bad_scales(scale):
    with pytest.raises(InputError, match="^init_scale = "):
        theory.power(2).theta0(scale, 3)


def test_a_start_that_overflows_is_named():
    model = theory.custom("u*v", start=["alpha**64", "alpha"])
    with pytest.raises(InputError, match=r"init_scale = 1e\+200 starts u of custom.*inf, above .*: use a smaller one"):
        model.theta0(1e200, 3)


@pytest.mark.parametrize(
    "theta0",
    [
        np.ones(3), np.ones((1, 3)), np.ones((2, 4)), [[1, 2, np.nan]] * 2, "abc", [[1], [1, 2]],
        np.ones((2, 3), complex),
    ],
)  # fmt: skip
def test_bad_own_starts(theta0):
    with pytest.raises(InputError):
        theory.difference(2).check_theta(theta0, 3)


def test_own_start_names_the_bad_entry():
    theta0 = np.ones((2, 3))
    theta0[1, 2] = np.inf
    with pytest.raises(InputError, match=r"\[1, 2\]"):
        theory.difference(2).check_theta(theta0, 3)


def test_depth_one_is_plain_regression():
    w, u, v = sp.symbols("w u v", real=True)
    [u1] = theory.product(1).weights
    assert theory.power(1).effective == w
    assert theory.difference(1).effective == u - v
    assert theory.product(1).effective == u1
    assert theory.derive(theory.power(1)).tangent == theory.derive(theory.product(1)).tangent == 1
    assert theory.derive(theory.difference(1)).tangent == 2


@pytest.mark.parametrize(
    "text, degree", [("u*v - w**2", 2), ("u*v + u", None), ("u**2 - v**3", None), ("u*v*w", 3), ("u + 1", None)]
)
def test_degree_of_homogeneity(text, degree):
    assert theory.custom(text).degree == degree


@pytest.mark.parametrize(
    "text, zeros, still",
    [
        ("u*v - w**2", "w", "w"), ("u*v - w**2 + w", "w", ""), ("u*v", "v", ""), ("u*v*w", "v", ""),
        ("u*v*w + u", "vw", "vw"), ("u*v + v*w**2", "vw", "w"), ("u*v + v*w", "vw", ""),
    ],
)  # fmt: skip
def test_weights_that_never_move_are_named_and_do_not_move(text, zeros, still):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = theory.custom(text, dict.fromkeys(zeros, 0))
    assert [str(one.message).split("'")[1] for one in told] == list(still)
    problem = theory.sparse_regression(n=3, d=4, sparsity=2, n_test=0)
    theta = sims.descend(model, problem, 0.05, 0.3, max_steps=4, tol=0, backend="numpy").theta.values
    moved = {str(w): theta[j].any() for j, w in enumerate(model.weights)}
    assert not any(moved[w] for w in still) and all(moved[w] for w in moved if w not in still)
