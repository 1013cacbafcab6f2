"""Where results live: Zarr groups and files, how they were made, and what mends them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .files import save_result
    from .group import open_result

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"files": ["save_result"], "group": ["open_result"]}
)
