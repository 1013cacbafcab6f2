"""What a kernel gets in place of this module: the law of a model and what is constant of it. Read by linters alone.

The generated functions are :func:`gdbias.sims.engine.numba.lanes.law`: they take lanes or numbers, one by one or in
tuples with an entry for each weight (and, behind them, for each state variable).
"""

from typing import Any

import numpy as np

number: type = np.float64  # of the steps
LANES: int = 16  # runs in a block
WEIGHTS: int = 1  # of a feature
STATES: int = 1  # weights and state variables of a feature
PARAMETERS: int = 0  # of the step
TOTALS: int = 0  # over all weights that it reads
READS_LOSS: int = 0  # whether it reads the excess loss
ASCENDS: int = 0  # whether it takes the gradient at another point; with either it has no tangent
ASCENT_TOTALS: int = 0  # over all weights that this point needs
WEIGHT_DECAY: int = 0  # its place among them
DECAYS: bool = False  # weight decay belongs to the objective
DRAWS: bool = False  # steps draw samples or label noise
SCHEDULED: bool = False  # the learning rate has a schedule
SETTLES: bool = False  # runs converge once the rule has settled
TRACKS: bool = True  # the sharpness is looked at along the path
ROWS: int = 2  # of the data in a tile
ONE_SAMPLE: bool = False  # there is one sample, no draw, and a step of each weight alone
NUDGE: float = 0.0  # noise of a power step


def effective(*weights) -> Any:
    """The coefficient beta."""


def jacobian(*weights) -> Any:
    """d beta / d w_p."""


def curvature(*weights) -> Any:
    """The upper triangle of the second derivatives of beta, row by row."""


def step(lr, g, parameters, weights_and_state) -> Any:
    """Weights and state after a step, with g = dL/dbeta; its totals and the loss are behind the parameters."""


def totals(lr, g, parameters, weights_and_state) -> Any:
    """The feature's part of each total."""


def ascent_totals(lr, g, parameters, weights_and_state) -> Any:
    """The same for the point at which the gradient is taken."""


def ascent(lr, g, parameters, weights_and_state) -> Any:
    """The weights at which the gradient is taken."""


def tangent(lr, g, g_dot, parameters, weights_and_state, tangent) -> Any:
    """The derivative of that step along a tangent vector, with g_dot that of g."""


def loss_value(f, y) -> Any:
    """The loss of a prediction."""


def loss_slope(f, y) -> Any:
    """Its derivative by the prediction."""


def loss_curvature(f, y) -> Any:
    """Its second derivative."""


def schedule(first, last, progress) -> Any:
    """The learning rate at a progress from 0 to 1."""
