"""What gdbias raises: each message names the value, the limit and the remedy."""


class GdbiasError(ValueError):
    """Base of every error a user can cause; the command line prints it and exits with 2."""


class InputError(GdbiasError):
    """A value outside its limits: bad data, an unknown name, a wrong shape."""


class Unreached(InputError):
    """Gradient flow did not come down to the loss that was asked for."""


class NoClosedForm(GdbiasError):
    """SymPy cannot give this formula for this model; the message says what is available instead."""


class NoInterpolator(GdbiasError):
    """No interpolator can be reached from the start, so nothing is predicted about one."""


class NotFollowed(GdbiasError):
    """A flow was not followed to its end, so no end of descent is predicted."""


class Diverges(GdbiasError):
    """Descent was seen to diverge, so it ends nowhere."""


class MissingExtra(GdbiasError):
    """An optional dependency is not installed; the message names the extra."""
