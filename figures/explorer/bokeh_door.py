"""Bokeh, or one clear message where it is absent. Nothing else imports it."""

# pyright: reportMissingImports=false

from typing import Any

from ...theory.errors import MissingExtra

try:
    import bokeh.application
    import bokeh.application.handlers
    import bokeh.core.templates
    import bokeh.document
    import bokeh.embed
    import bokeh.events
    import bokeh.models
    import bokeh.palettes
    import bokeh.plotting
    import bokeh.resources
    import bokeh.server.server
except ImportError as error:
    raise MissingExtra(f"the explorer needs Bokeh ({error}): pip install 'gdbias[explore]'") from None

# Models are made of properties, whose types are known when they run.
bk: Any = bokeh
models: Any = bokeh.models
events: Any = bokeh.events
