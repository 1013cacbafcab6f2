"""Arguments of Python's verbs that cannot be meant, by their kind: one line that names them, and nothing is run."""

import pickle

import numpy as np
import pytest

from gdbias import sims, theory
from gdbias.figures.cli.command import main
from gdbias.theory import GdbiasError, InputError
from gdbias.theory.compiled.cache import load_kernel

MODEL, PROBLEM = theory.difference(2), theory.sparse_regression(n=4, d=8, sparsity=2, n_test=0)
VERBS = {
    "descend": lambda **given: sims.descend(**dict(model=MODEL, problem=PROBLEM, lr=0.1) | given),
    "sweep": lambda **given: sims.sweep(**dict(model=MODEL, problem=PROBLEM, lr=0.1) | given),
    "compare": lambda **given: sims.compare(**dict(model=MODEL, problem=PROBLEM, lr=0.1) | given),
    "predicted": lambda **given: sims.predicted(**dict(model=MODEL, problem=PROBLEM, lr=0.1) | given),
    "estimate": lambda **given: sims.estimate(**dict(model=MODEL, problem=PROBLEM, lr=0.1, init_scale=0.1) | given),
}
NO_RATE = [
    None,
    True,
    [True],
    [0.1, None],
    "0.1",
    b"0.1",
    {},
    np.ma.masked_less([0.1, 0.2], 0.15),
    [],
    0,
    -1,
    np.inf,
    1j,
]
NO_TEXT = [None, 3, b"power(2)", ["power(2)"], theory.power(2)]
EXPRESSIONS = {  # each is refused with what to write
    "u^2": r"write u\*\*2",
    "(u + v)^2": r"write \(u \+ v\)\*\*2",
    "u/2": r"write 0.5\*u",
    "u*v/4": r"write 0.25\*\(u \* v\)",
    "u/0": "is not allowed",
    "pi*u": "'pi' .* no constant: write 3.14159",
    "E*u": "'E' .* no constant: write 2.71828",
    "nan*u": "'nan' .* no constant",
    "inf*u": "'inf' .* no constant",
    "oo*u": "'oo' .* no constant",
    "I*u": "'I' .* no constant",
    "u*": "cannot read",
    "": "cannot read",
    "u//v": "not allowed",
    "u@v": "not allowed",
    "u**-1": "not allowed",
    "u**v": "not allowed",
    "u**65": "degree 65",
    "u if v else w": "not allowed",
    "[u]": "not allowed",
    "u == v": "not allowed",
    "f(u)": "not allowed",
    "u.v": "not allowed",
    "'u'*v": "not allowed",
    "True*u": "not allowed",
    "1e400*u": "not allowed",
    "u # v": "comment",
    "u" * 1001: "longer than",
    "u - u": "cancels",
    "alpha*u": "reserved",
}
MODELS = {
    "custom(u*v; u=1, u=2)": "start gives u twice, 1 and 2",
    "custom(u*v; u)": "'u' is no NAME=VALUE",
    "custom(u*v; =1)": "'=1' is no NAME=VALUE",
    "custom(u*v; w=1)": "names 'w'",
    "power(" + "9" * 5000 + ")": "whole number from 1 to 64",
    "power(99)": "from 1 to 64",
    "power(2.0)": "whole number from 1 to 64",
    "Power(2)": "do you mean power",
    "power(2": "unknown model",
    "u**3 - v**3": "do you mean custom[(]u[*][*]3 - v[*][*]3[)][?] Else use power",
    "": "unknown model",
}
SCHEDULES = [
    "ramp(10, start=2)", "cosine(10, final=1.5)", "ramp(10, start=0)", "ramp(0)", "ramp()", "ramp(10, 0.5, 0.1)",
    "constant(3)", "linear(3)", "ramp(10, start='a')", "ramp(10, **{})", "", "ramp(x)",
]  # fmt: skip
PARAMETERS = {"a=1, a=2": "twice", "a": "NAME=VALUE", "a=b": "no number", "a=nan": "finite", "=1": "NAME=VALUE"}


@pytest.mark.parametrize("value", NO_RATE, ids=repr)
@pytest.mark.parametrize("name", ["lr", "init_scale"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_learning_rate_and_no_scale(verb, name, value):
    with pytest.raises(InputError) as error:
        VERBS[verb](**{name: value})
    assert "\n" not in str(error.value) and "nan" not in str(error.value) and name in str(error.value)


@pytest.mark.parametrize("value", NO_RATE, ids=repr)
def test_no_scale_to_predict(value):
    with pytest.raises(InputError, match="init_scale"):
        theory.predict(MODEL, PROBLEM, value)


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
def test_what_is_no_text(value):
    with pytest.raises(InputError, match="is no text"):
        theory.parse(value)
    with pytest.raises(InputError, match="is no text"):
        theory.custom(value)


@pytest.mark.parametrize("start", [5, "alpha", "u", True, 1.5, [None, None], {"u": None}, {1: 2}, ["1"], [1, 2, 3]])
def test_what_starts_no_weights(start):
    with pytest.raises(InputError) as error:
        theory.custom("u*v", start=start)
    assert "start" in str(error.value) or "None" in str(error.value)


@pytest.mark.parametrize("text", EXPRESSIONS, ids=lambda text: text[:20])
def test_an_expression_is_refused_with_what_to_write(text, capsys):
    with pytest.raises(InputError, match=EXPRESSIONS[text]):
        theory.custom(text)
    with pytest.raises(SystemExit) as end:
        main(["derive", f"custom({text})"])
    assert end.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("text", MODELS, ids=lambda text: text[:30])
def test_the_name_of_no_model(text, capsys):
    with pytest.raises(InputError, match=MODELS[text]):
        theory.parse(text)
    with pytest.raises(SystemExit) as end:
        main(["derive", text])
    [line] = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(line) < 300


@pytest.mark.parametrize("text", SCHEDULES)
def test_no_schedule(text):
    with pytest.raises(InputError):
        theory.UpdateRule(schedule=text)


@pytest.mark.parametrize("text", PARAMETERS)
def test_no_parameters_of_a_step(text, capsys):
    step = ["--step", "weight - lr*a*gradient", "--step-parameters", text]
    with pytest.raises(SystemExit) as end:
        main(["run", "--lr", "0.1", *step])
    [line] = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and PARAMETERS[text] in line


@pytest.mark.parametrize("value", [2, 10, 50])
@pytest.mark.parametrize("verb", ["descend", "sweep"])
def test_looks_at_one_side_of_an_oscillation(verb, value):
    with pytest.raises(InputError, match=f"track_every = {value} is even.*use {value + 1}"):
        VERBS[verb](track_every=value)


@pytest.mark.parametrize("scale", [1e60, 1e200, 1e308])
def test_a_start_whose_coefficients_are_no_floats(scale):
    for verb in (*VERBS.values(), lambda **given: theory.predict(MODEL, PROBLEM, **given)):
        with pytest.raises(InputError, match="floats hold the coefficients: use a smaller one"):
            verb(init_scale=scale)
    with pytest.raises(InputError, match=r"theta0\[0, 0\] = .* floats hold"):
        sims.descend(MODEL, PROBLEM, 0.1, theta0=np.full((2, 8), scale))


def test_a_run_with_tol_0_never_stops():
    plain = sims.descend(MODEL, PROBLEM, 0.1, max_steps=2000, tol=0.0)
    assert plain.status == sims.Status.STEP_LIMIT and plain.steps == 2000
    decayed = sims.descend(MODEL, PROBLEM, 0.1, max_steps=2000, tol=0, rule=theory.UpdateRule(weight_decay=0.5))
    assert decayed.steps == 2000
    both = sims.sweep(MODEL, PROBLEM, [0.05, 0.1], max_steps=500, tol=0, backend="numpy")
    assert (both.steps == 500).all()


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("family", [theory.difference, theory.product])
def test_a_prediction_that_was_read_can_be_sent(family, depth):
    pred = theory.predict(family(depth), PROBLEM, 0.1)
    beta = pred.flow.beta
    again = pickle.loads(pickle.dumps(pred))
    np.testing.assert_array_equal(again.flow.beta, beta)


def test_no_compiler_is_told(monkeypatch):
    from numba.core import config

    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    with pytest.raises(GdbiasError, match="NUMBA_DISABLE_JIT is set"):
        load_kernel("", "nothing")


@pytest.mark.parametrize("client", [3, "tcp://127.0.0.1:1", object()])
def test_no_client_of_a_cluster(client):
    with pytest.raises(InputError, match="is no distributed.Client"):
        VERBS["sweep"](client=client)


def test_a_closed_client():
    class Closed:
        status = "closed"

        def submit(self):
            raise AssertionError("used")

        nthreads = submit

    with pytest.raises(InputError, match="is closed"):
        VERBS["sweep"](client=Closed())


@pytest.mark.parametrize(
    "model",
    ["difference(8)", "difference(64)", pytest.param("custom((u + v + w)**16)", marks=pytest.mark.slow), "product(32)"],
)
def test_a_large_derivation_ends(model, capsys):
    main(["derive", model])
    assert "after one step" in capsys.readouterr().out


@pytest.mark.parametrize("names", ["v v_dot", "g_dot w", "v velocity_v", "u u_dot", "total0 v", "mu w", "velocity w"])
@pytest.mark.parametrize("rule", [dict(momentum=0.5), dict(step="weight - lr*gradient/(1 + total(abs(gradient)))")])
def test_weights_bear_any_name_that_is_not_reserved(names, rule):
    """Those that generated formulas give to velocities, tangents and totals too."""
    asked = dict(max_steps=4, backend="numpy", rule=theory.UpdateRule(**rule))
    a, b = names.split()
    named = sims.descend(theory.custom(f"{a}**2 - {b}**2"), PROBLEM, 0.1, **asked)
    plain = sims.descend(theory.custom("p**2 - q**2"), PROBLEM, 0.1, **asked)
    np.testing.assert_allclose(named.theta, plain.theta, rtol=1e-13)  # the order of terms goes by names


OBJECTS = [None, 3, True, b"x", {}, object(), np.zeros((2, 2)), np.array(["numpy"]), PROBLEM, MODEL]
KINDS = {  # arguments by what they must be
    "path": (
        lambda value: sims.store.open_result(value),
        lambda value: sims.store.save_result(sims.descend(MODEL, PROBLEM, 0.1, max_steps=1), value),
        lambda value: theory.Problem.from_csv(value, "t"),
        lambda value: theory.Problem.from_npz(value),
        lambda value: sims.checks.verify(only=["ALG-1"], load=value if value is not None else 1),
    ),
    "texts": (
        lambda value: VERBS["sweep"](keep=value),
        lambda value: VERBS["compare"](methods=value),
        lambda value: sims.linear.sweep(theory.linear_network(np.eye(2), depth=2), 0.1, keep=value),
        lambda value: sims.checks.verify(only=value if value is not None else 1),
    ),
    "truth": (
        lambda value: VERBS["descend"](cool=value),
        lambda value: VERBS["descend"](gfs_sharpness=value, record_every=1),
        lambda value: VERBS["estimate"](stored=value),
        lambda value: sims.checks.verify(only=["ALG-1"], quick=value),
    ),
    "truth or None": (
        lambda value: VERBS["sweep"](progress=value),
        lambda value: VERBS["compare"](progress=value),
        lambda value: VERBS["predicted"](progress=value),
        lambda value: sims.linear.sweep(theory.linear_network(np.eye(2), depth=2), 0.1, progress=value),
        lambda value: sims.checks.verify(only=["ALG-1"], progress=value),
    ),
    "name": (
        lambda value: VERBS["sweep"](precision=value),
        lambda value: VERBS["compare"](methods=[value]),
        lambda value: VERBS["sweep"](keep=[value]),
        lambda value: sims.Grid(0.1, 1, 3, spacing=value),
        lambda value: theory.predict(MODEL, PROBLEM, 0.1).endpoint(0.1, method=value),
        lambda value: theory.derive(MODEL, loss=value),
        lambda value: theory.derive(MODEL).source(value),
        lambda value: theory.Problem([[1.0]], [1.0], loss=value),
        lambda value: theory.sparse_regression(signs=value),
        lambda value: sims.linear.sweep(theory.linear_network(np.eye(2), depth=2), 0.1, start=value),
        lambda value: VERBS["descend"](backend=value),
        lambda value: theory.parse(value),
        lambda value: theory.UpdateRule(schedule=value),
    ),
    "result": (
        lambda value: sims.rebuild(value),
        lambda value: sims.paired(value),
        lambda value: sims.store.save_result(value, "a.zarr"),
    ),
    "samples": (lambda value: theory.Problem(value, [1.0]), lambda value: theory.Problem([[1.0]], value)),
    "parameters": (lambda value: theory.UpdateRule(step="weight - lr*a*gradient", step_parameters=value),),
    "depth": (theory.power, theory.difference, theory.product),
    "share": (lambda value: theory.ramp(10, start=value), lambda value: theory.cosine(10, final=value)),
    "rest": (lambda value: VERBS["descend"](record_every=value), lambda value: VERBS["descend"](record_every=-1)),
}
MEANT = {
    "truth": [True],
    "truth or None": [True, None],
    "rest": [3],
    "depth": [3],
    "samples": [3, True],
}  # of those objects


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_another_kind(kind, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in KINDS[kind]:
        if any(value is meant for meant in MEANT.get(kind, [])):
            continue
        with pytest.raises(InputError) as error:
            use(value)
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("use", [
    lambda value: theory.sparse_regression(n=value),
    lambda value: theory.sparse_regression(d=value),
    lambda value: theory.frontier(MODEL, PROBLEM, points=value),
    lambda value: sims.linear.descend(theory.linear_network(np.eye(2), depth=2), 0.1, record_every=value),
])  # fmt: skip
def test_a_number_beyond_all_others(use):
    with pytest.raises(InputError, match="must be a whole number from") as error:
        use(10**400)
    assert len(str(error.value)) < 200
