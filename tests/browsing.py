"""A page of the explorer in a headless browser: its server in a thread, what its models hold, clicks on its cells."""

import asyncio
import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
PLACE = """
([name, across, up]) => {
    const model = named(name)
    const found = []
    const look = (view) => { if (view.model === model) found.push(view); (view.child_views ?? []).forEach(look) }
    Object.values(Bokeh.index).forEach(look)
    const [view] = found
    view.el.scrollIntoView({block: "center"})
    const box = view.el.getBoundingClientRect(), frame = view.frame
    return [box.left + frame.x_scale.compute(across), box.top + frame.y_scale.compute(up)]
}
"""


NAMED = "named = (name) => [...Bokeh.documents[0]._all_models.values()].filter((m) => m.name === name).at(-1)"  # newest


@contextmanager
def chromium():
    """A browser; the test is skipped where the extra or Chromium is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install 'gdbias[explore,browser]'")
    if CHROMIUM is None:
        pytest.skip("needs the browser Chromium, from the packages of the system")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def served(fill):
    """The address of a server whose documents ``fill`` makes."""
    from gdbias.figures.explorer.service import HERE, made

    ready, servers = threading.Event(), []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        servers.append(made(fill, HERE, 0))
        servers[0].start()
        ready.set()
        servers[0].io_loop.start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(60)
    [server] = servers
    yield f"http://{HERE}:{server.port}/"

    def end():
        server.stop()
        server.io_loop.stop()

    server.io_loop.add_callback(end)
    thread.join(30)


class Visitor:
    """A page in the browser, and what its models hold."""

    def __init__(self, browser, address, asked=None, width=1400, height=1000):
        self.context = browser.new_context(viewport=dict(width=width, height=height))
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page, self.errors = self.context.new_page(), []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        if asked is not None:  # what the page asks the network for
            self.page.on("request", lambda request: asked.append(request.url))
        self.page.add_init_script(NAMED)
        self.page.goto(address)
        self.page.wait_for_function("window.Bokeh && Bokeh.documents.length > 0")

    def data(self, name, column):
        """A column of a source, as a list."""
        script = """([name, column]) => {
            const flat = (v) => v?.length === undefined || typeof v === "string" ? v : Array.from(v, flat)
            return flat(named(name).data[column])
        }"""
        return self.page.evaluate(script, [name, column])

    def value(self, name, attribute):
        return self.page.evaluate("([n, a]) => named(n)[a]", [name, attribute])

    def set(self, name, **attributes):
        script = "([n, a]) => { Object.assign(named(n), a) }"  # gives nothing back: a model is all of the page
        self.page.evaluate(script, [name, attributes])

    def until(self, condition, *args):
        """Wait until an expression in JavaScript holds; ``model(name)`` is a model."""
        prefix = "([...args]) => { const model = named; try { return "
        script = f"{prefix}{condition} }} catch (error) {{ return false }} }}"  # while parts of the page are exchanged
        self.page.wait_for_function(script, arg=list(args), timeout=60_000)

    def until_drawn(self):
        self.until("model('cells')?.data.flat?.length > 0")
        return self

    def click(self, lr, row, figure="diagram"):
        """A click of the mouse at a point of a figure, in its own units."""
        self.page.mouse.click(*self.page.evaluate(PLACE, [figure, lr, row]))

    def hover(self, lr, row, figure="diagram"):
        """The mouse at a point of a figure, in its own units."""
        self.page.mouse.move(*self.page.evaluate(PLACE, [figure, lr, row]))

    def shot(self, name):
        """A picture, where GDBIAS_SHOTS names a folder to look at them in."""
        if folder := os.environ.get("GDBIAS_SHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def close(self):
        self.context.close()
        assert self.errors == []
