"""A linearly implicit method for gradient flow: one linear solve a stage, no nonlinear equations, no memory of time.

Flow from small weights waits, for times that grow without bound, between moments in which weights grow by orders
of magnitude. A step is judged by the weights alone, so that no time on the clock is ever too long to add a step to.
"""

from collections.abc import Callable

import numpy as np

# RODAS of Hairer and Wanner (Solving Ordinary Differential Equations II, section VI.4): order 4, stiffly accurate.
GAMMA = 0.25
STAGES = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
COUPLINGS = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)


def rosenbrock_step(
    velocity: Callable[[np.ndarray], np.ndarray],
    solve: Callable[[np.ndarray], np.ndarray],
    state: np.ndarray,
    first: np.ndarray,
    step: float,
) -> tuple[np.ndarray, np.ndarray]:
    """One step of ``dx/dt = velocity(x)`` and an estimate of its error, both of the shape of the state.

    ``solve`` solves ``(1 / (GAMMA step) - J) k = r`` with the Jacobian J of the velocity at the state, ``first`` is the
    velocity there.
    """
    stages: list[np.ndarray] = []
    for moves, couplings in zip(STAGES, COUPLINGS, strict=True):
        pushed = first if not stages else velocity(state + _sum(moves, stages))
        stages.append(solve(pushed + _sum(couplings, stages) / step if stages else pushed))
    return state + _sum((*STAGES[-1], 1.0), stages), stages[-1]


def _sum(factors: tuple[float, ...], stages: list[np.ndarray]) -> np.ndarray:
    return sum(factor * stage for factor, stage in zip(factors, stages, strict=True))  # type: ignore[return-value]
