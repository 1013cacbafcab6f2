"""What a notebook and a console show of objects, and when two of them are equal."""

import html.parser

import numpy as np
import pytest

from gdbias import sims, theory

SIGNED = theory.sparse_regression(n=6, d=14, sparsity=2, seed=0, n_test=20)


class Cells(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] in (["th"], ["td"]):
            self.rows[-1].append(data)


def test_the_table_of_a_prediction_has_its_numbers():
    pred = theory.predict(theory.difference(2), SIGNED, [0.1, 0.3])
    head, *rows = Cells(pred._repr_html_()).rows
    assert head[0] == "init_scale" and [float(row[0]) for row in rows] == [0.1, 0.3]
    for name in ("lr_critical", "lr_critical_final", "lr_max"):
        found = [float(row[head.index(name)]) for row in rows]
        np.testing.assert_allclose(found, np.broadcast_to(getattr(pred, name), 2), rtol=1e-3)


def test_what_cannot_be_predicted_or_takes_long_is_left_out():
    logistic = theory.Problem(SIGNED.X, np.where(SIGNED.y > 0, 1.0, -1.0), loss="logistic")
    head, _ = Cells(theory.predict(theory.difference(2), logistic, 0.1)._repr_html_()).rows
    assert head == ["init_scale", "lr_critical"]
    many = theory.predict(theory.difference(2), SIGNED, np.geomspace(0.01, 1, 40))
    assert len(Cells(many._repr_html_()).rows) == 1 + 12
    assert "sharpness_max" not in vars(many)


def test_a_representation_computes_nothing_and_has_what_is_known():
    pred = theory.predict(theory.difference(2), SIGNED, 0.1)
    before = repr(pred)
    assert set(vars(pred)) <= {"dynamics", "problem", "init_scale", "starts", "rule"}
    assert f"{pred.lr_critical_final:.4g}" not in before
    assert f"{pred.lr_critical_final:.4g}" in repr(pred)
    assert f"{pred.flow.l1_norm:.4f}"[:6] in repr(pred.flow)


def test_problems_are_equal_by_their_data():
    again = theory.sparse_regression(n=6, d=14, sparsity=2, seed=0, n_test=20)
    assert again == SIGNED and hash(again) == hash(SIGNED) and again is not SIGNED
    assert theory.Problem(SIGNED.X, SIGNED.y) == theory.Problem(SIGNED.X.copy(), SIGNED.y.copy())
    others = [
        theory.sparse_regression(n=6, d=14, sparsity=2, seed=1, n_test=20),
        theory.Problem(SIGNED.X, SIGNED.y),
        theory.Problem(SIGNED.X, SIGNED.y, beta_star=SIGNED.beta_star),
        None,
    ]
    for k, other in enumerate(others):
        assert SIGNED != other and all(other != third for third in others[k + 1 :])


@pytest.mark.parametrize("spacing", ["log", "lin"])
def test_a_grid_is_its_values(spacing):
    grid = sims.Grid(0.1, 0.9, 5, spacing)
    assert list(grid) == grid.values().tolist() and len(grid) == 5
    np.testing.assert_array_equal(np.asarray(grid), grid.values())
    assert np.asarray(grid, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(2 * np.asarray(grid), [2 * lr for lr in grid])
