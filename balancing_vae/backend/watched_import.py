"""Run a check when a package is imported by any module."""

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Execute = Callable[[ModuleType], Any]


class WatchingFinder(MetaPathFinder):
    """Finds packages with the later finders of `sys.meta_path`, and wraps their execution.

    Args:
        around: For each package name, a function that takes the module and the function that
            executes it, and calls the latter.

    Example:
        ```python
        finder = WatchingFinder({"keras": lambda module, execute: execute(module)})
        ```
    """

    def __init__(self, around: dict[str, Callable[[ModuleType, Execute], None]]):
        self.around = around

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        """Return the spec of a package that is watched; None for every other module."""
        if fullname not in self.around:
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(fullname, path, target) for finder in later)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            execute, around = spec.loader.exec_module, self.around[fullname]
            # Change only this spec.
            spec.loader.exec_module = lambda module: around(module, execute)  # type: ignore[method-assign]
        return spec
