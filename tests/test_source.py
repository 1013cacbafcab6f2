"""The generated text computes what SymPy derived, in every target, with the arithmetic spelt out."""

import ast
import math

import numpy as np
import pytest
import sympy as sp

import reference
from gdbias import theory
from gdbias.theory.derivation.law import state_symbols
from gdbias.theory.loss import array_loss
from gdbias.theory.rules.update_rule import GRADIENT, LEARNING_RATE, WEIGHT

MODELS = [f"{family}({L})" for family in reference.FAMILIES for L in (1, 2, 3, 4)]
MODELS += ["custom(u*v - w**2)", "custom((u - 2*v)**3 + 0.3*u)"]
FUNCTIONS = {
    *("effective", "jacobian", "curvature", "step", "tangent"),
    *("loss_value", "loss_slope", "loss_curvature", "schedule"),
}

velocity = sp.Symbol("velocity", real=True)
HEAVY_BALL = theory.Step(
    "heavy_ball",
    WEIGHT + sp.Rational(9, 10) * velocity - LEARNING_RATE * GRADIENT,
    (theory.StateVariable(velocity, sp.Integer(0), sp.Rational(9, 10) * velocity - LEARNING_RATE * GRADIENT),),
)


def run(text, target):
    """The text's functions with NumPy as ``xp``; ``law`` is the kernel's decorator, here the identity."""
    names = {"xp": np, "law": lambda function: function} if target == "numba" else {"xp": np}
    exec(text, names)
    return names


@pytest.fixture(params=["numba", "numpy"])
def target(request):
    return request.param


@pytest.mark.parametrize("name", MODELS)
def test_values(name, target):
    dyn = theory.derive(theory.parse(name))
    text = run(dyn.source(target), target)
    weights = dyn.model.weights
    rng = np.random.default_rng(0)
    lr, g = 0.07, rng.standard_normal(5)
    theta = rng.standard_normal((len(weights), 5))
    second = [sp.diff(dyn.effective, a, b) for p, a in enumerate(weights) for b in weights[p:]]
    arguments = [*sp.symbols("lr g", real=True), *weights]
    for function, formulas in (
        ("jacobian", list(dyn.jacobian)),
        ("curvature", second),
        ("step", list(dyn.gd_map.values())),
    ):
        expected = sp.lambdify(arguments, formulas)(lr, g, *theta)
        got = text[function](*((lr, g, *theta) if function == "step" else theta))
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a * np.ones(5), b * np.ones(5), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(
        text["effective"](*theta), sp.lambdify(weights, dyn.effective)(*theta), rtol=1e-13, atol=1e-14
    )


@pytest.mark.parametrize("name", [*MODELS, "power(20)"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_arithmetic_is_spelt_out(name, loss, target):
    text = theory.derive(theory.parse(name), loss).source(target)
    tree = ast.parse(text)
    assert not any(isinstance(node, ast.Pow) for node in ast.walk(tree))
    assert {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} == FUNCTIONS
    numbers = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert all(type(number) is float for number in numbers)  # an integer would make an integer division or power
    decorated = [bool(node.decorator_list) for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert set(decorated) == {target == "numba"}


@pytest.mark.parametrize("name", MODELS)
def test_targets_share_their_arithmetic(name):
    dyn = theory.derive(theory.parse(name), "logistic")
    numba, numpy = (ast.parse(dyn.source(target)) for target in ("numba", "numpy"))
    for function in numba.body:
        function.decorator_list = []
    assert ast.dump(numba) == ast.dump(numpy)


def test_one_model_one_text():
    texts = {theory.derive(theory.difference(3)).source() for _ in range(3)}
    assert len(texts) == 1
    assert theory.derive(theory.difference(4)).source() not in texts


def test_unknown_target():
    with pytest.raises(theory.InputError):
        theory.derive(theory.power(2)).source("fortran")


def test_a_name_cannot_leave_its_comment():
    model = theory.custom("u*v", start={"u": "( alpha\n + 1 )"})
    tree = ast.parse(theory.derive(model).source())
    assert all(isinstance(node, ast.FunctionDef) for node in tree.body)


@pytest.mark.parametrize("loss", [theory.squared, theory.logistic], ids=str)
def test_loss_derivatives(loss):
    functions = array_loss(loss)
    f, step = np.linspace(-6, 6, 25), 1e-5
    for y in (-1.0, 1.0):
        slope = (functions.loss_value(f + step, y) - functions.loss_value(f - step, y)) / (2 * step)
        curvature = (functions.loss_slope(f + step, y) - functions.loss_slope(f - step, y)) / (2 * step)
        np.testing.assert_allclose(functions.loss_slope(f, y), slope, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(functions.loss_curvature(f, y) * np.ones(25), curvature, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("y", [-1.0, 1.0])
def test_logistic_at_any_margin(y):
    functions = array_loss(theory.logistic)
    margins = np.array([-800.0, -700.0, -40.0, 40.0, 700.0, 800.0])
    with np.errstate(over="ignore"):
        slope = functions.loss_slope(y * margins, y)
        curvature = functions.loss_curvature(y * margins, y)
        value = functions.loss_value(y * margins, y)
    np.testing.assert_allclose(slope, -y * np.array([1, 1, 1, math.exp(-40), math.exp(-700), 0]), rtol=1e-12)
    small, tiny = math.exp(-40), math.exp(-700)
    np.testing.assert_allclose(curvature, [0, tiny, small, small, tiny, 0], rtol=1e-12)
    np.testing.assert_allclose(value, [800, 700, 40, small, tiny, 0], rtol=1e-12)


@pytest.mark.parametrize("name", ["power(3)", "difference(2)", "product(3)"])
def test_a_rule_with_a_state(name, target):
    dyn = theory.derive(theory.parse(name), rule=theory.UpdateRule(step=HEAVY_BALL))
    step = run(dyn.source(target), target)["step"]
    m = len(dyn.model.weights)
    assert len(state_symbols(dyn.model, HEAVY_BALL)) == m
    rng = np.random.default_rng(0)
    X, y, _ = reference.random_problem(rng, 3, 4, positive=False)
    family, L = name[:-3], int(name[-2])
    theta, speed = reference.random_start(rng, family, L, 4), rng.standard_normal((m, 4))
    for _ in range(5):
        g = X.T @ (X @ reference.effective(family, L, theta) - y) / 3
        got = np.array(step(0.02, g, *theta, *speed))
        gradient = reference.gradient(family, L, theta, X, y)
        speed = 0.9 * speed - 0.02 * gradient  # every right-hand side at the old values
        theta = theta + speed
        np.testing.assert_allclose(got[:m], theta, rtol=1e-12)
        np.testing.assert_allclose(got[m:], speed, rtol=1e-11, atol=1e-14)


def test_a_rule_with_roots():  # square roots and their inverses run on arrays
    speed = sp.Symbol("speed", real=True)
    mean = sp.Rational(1, 2) * speed + GRADIENT**2 / 2
    rule = theory.Step(
        "scaled", WEIGHT - LEARNING_RATE * GRADIENT / sp.sqrt(mean), (theory.StateVariable(speed, sp.Integer(0), mean),)
    )
    law = theory.derive(theory.power(1), rule=theory.UpdateRule(step=rule)).law.arrays
    g, speed = np.array([2.0, -3.0]), np.array([1.0, 0.5])
    weight, state = law.step(0.1, g, np.array([1.0, 1.0]), speed)
    np.testing.assert_allclose(state, (speed + g**2) / 2, rtol=1e-15)
    np.testing.assert_allclose(weight, 1 - 0.1 * g / np.sqrt((speed + g**2) / 2), rtol=1e-15)


def test_numba_compiles_the_text():
    import numba

    dyn = theory.derive(theory.difference(3), "logistic")
    names = {"xp": math, "law": numba.njit}
    exec(dyn.source("numba"), names)
    law = dyn.law.arrays
    rng = np.random.default_rng(0)
    for _ in range(20):
        u, v, g, f = rng.standard_normal(4)
        assert names["step"](0.1, g, u, v) == law.step(0.1, g, u, v)
        assert names["effective"](u, v) == law.effective(u, v)
        assert names["loss_slope"](f, 1.0) == pytest.approx(law.loss_slope(f, 1.0), rel=1e-15)
