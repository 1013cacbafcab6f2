"""The server of the explorer: on this machine alone unless told otherwise, on a free port."""

import socket
import webbrowser
from collections.abc import Callable
from typing import Any

from ...theory.errors import InputError
from .bokeh_door import bk

HERE = "127.0.0.1"
ANY = ("", "0.0.0.0", "::", "*")


def serve(fill: Callable[[Any], None], host: str, port: int, opens: bool, say: Callable[[str], None]) -> None:
    """Serve a page whose document ``fill`` makes for each visitor, until Ctrl-C.

    Pages of other origins cannot connect: a socket is given to the server's own address alone.

    Raises:
        InputError: a host that is no address of this machine, or a port that is taken.
    """
    server = made(fill, host, port)
    address = f"http://{host}:{server.port}/"
    say(f"the explorer is at {address} (Ctrl-C ends it)")
    if host not in (HERE, "localhost"):
        say(f"warning: everybody who reaches {host} can look at this result and have its runs made")
    if opens:
        server.io_loop.add_callback(webbrowser.open, address)
    try:
        server.start()
        server.io_loop.start()
    except KeyboardInterrupt:
        say("the explorer has ended")
    finally:
        server.stop()


def made(fill: Callable[[Any], None], host: str, port: int) -> Any:
    """The server, listening, not yet started; raises as :func:`serve` does."""
    if host in ANY:
        raise InputError(f"host = {host!r} is every address of this machine: name the one that others reach it by")
    try:
        port = port or _free(host)
        origins = [f"{host}:{port}"] + ([f"localhost:{port}"] if host == HERE else [])
        application = bk.application.Application(bk.application.handlers.FunctionHandler(fill))
        return bk.server.server.Server({"/": application}, address=host, port=port, allow_websocket_origin=origins)
    except OSError as error:
        raise InputError(
            f"port {port} of {host} cannot be listened on ({error.strerror or error}): choose another --port or --host"
        ) from None


def _free(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
