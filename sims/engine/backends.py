"""The backends: whatever advances runs has three functions, and one line in the table of the options."""

from importlib import import_module
from typing import NamedTuple, Protocol, cast

import numpy as np

from ...theory.problem import Problem
from ..options import BACKENDS, Options
from .job import Job
from .runs import Runs

LONGEST = 64  # period looked for
REPEATS = 3  # snapshots, LONGEST steps apart, from each of which the weights must return after as many steps
NEAR = 1e-7  # largest change of a weight in a return, in units of the largest weight
EVERY = 8  # steps after which the tangent vector is made a unit vector again


class Followed(NamedTuple):
    """What was seen of runs on the steps of a window, one entry a run.

    ``growth`` is the logarithmic growth of a tangent vector over the last ``measured_steps``, ``tail`` in each of the
    last LONGEST of them; ``peak`` the largest loss of the last REPEATS times LONGEST steps, ``lost`` whether the loss
    blew up; ``returns`` the first step back near each snapshot, 0 for none; ``rises`` the steps on which
    the loss rose.
    """

    growth: np.ndarray
    tail: np.ndarray  # (run, LONGEST)
    peak: np.ndarray
    lost: np.ndarray
    returns: np.ndarray  # (run, REPEATS)
    rises: np.ndarray


class Backend(Protocol):
    """What advances runs: a module with these functions."""

    def check(self, problem: Problem, here: bool) -> None:
        """Raise InputError for data that do not fit it, and MissingExtra where it is to run ``here`` and cannot."""
        ...

    def advance(self, job: Job, runs: Runs) -> None:
        """Advance every run to its end, in place; an interrupt is raised again, and leaves runs NOT_RUN."""
        ...

    def follow(self, job: Job, runs: Runs, chosen: np.ndarray) -> Followed:
        """Follow the chosen runs for the window of the options, and a tangent vector; the runs stay as they are."""
        ...


def backend(options: Options) -> Backend:
    """What advances runs with these options; imported when asked for, since one may need what is not installed."""
    return cast(Backend, import_module(f".{BACKENDS[options.backend]}", __package__))


def measured_steps(options: Options) -> int:
    """The steps at the end of a window that count for growth: whole stretches of EVERY, three quarters of them."""
    return 3 * options.window // (4 * EVERY) * EVERY
