"""How a run ended, and what it does in the long run."""

from enum import IntEnum, IntFlag


class _Named(IntEnum):
    @property
    def label(self) -> str:
        """The name in words, as tables and legends have it."""
        return self.name.lower().replace("_", " ")


class Status(_Named):
    """The end of a run. Stored as int8 with CF flag attributes."""

    NOT_RUN = -1  # the fill value of a store: not computed yet
    CONVERGED = 0  # at rest by tol for `hold` steps, and sharpness at most 2 / lr, or the rule's sharpness_limit
    DIVERGED = 1  # loss not below 1e6 * max(1, first loss)
    STEP_LIMIT = 2  # max_steps taken: raise it to see where the run ends
    UNSTABLE_MINIMUM = 3  # held tol by chance, where the sharpness is above that limit
    BOUNDED = 4  # in a map of divergence: did not diverge


class Phase(_Named):
    """What a run does in the long run. Stored as int8 with CF flag attributes."""

    NOT_RUN = -1  # the fill value of a store: not computed yet
    FLOW_ALIGNED = 0  # converged, the loss never rose
    CATAPULT = 1  # converged, the loss rose on at most 10 steps
    EDGE_OF_STABILITY = 2  # converged, the loss rose on more; with momentum: the sharpness was above the edge
    # and, converged or not, at an edge of the run's own state on average
    PERIODIC = 3  # bounded, the weights return after `period` steps and nearby runs stay near
    CHAOTIC = 4  # bounded, the weights do not return and nearby runs part
    DIVERGED = 5  # the loss blew up, if only in the window
    UNDECIDED = 6  # bounded and none of these, no window was asked for, or converged by another rule
    CONVERGING = 7  # not there yet: in the window the loss never rose and a nearby run did not part


class Doubt(IntFlag):
    """What speaks against a prediction of a deep network. Stored as int8 with CF flag masks."""

    NOT_SEPARATED = 1  # oscillation began within 50 steps: flow and oscillation have no time scales of their own
    KINKS = 2  # over a swing the curvature is not that at its center, by more than 1 % in the mean
    NO_ARRIVAL = 4  # the loss did not come to tol, or the flow could not be followed
    FAINT = 8  # there is oscillation, and a norm has grown by less than its bracket is wide
