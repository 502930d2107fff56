"""Write docs/api.md: each public name with the first line of its docstring.

    python tools/api_page.py

What is public is what the rooms below export: the stub or the `__all__` of each is the list.
"""

import importlib
import inspect
import re
from collections.abc import Collection
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
PACKAGE = "balancing_vae"
ROOMS = (
    "datasets",
    "presets",
    "pretrained",
    "networks",
    "balancing",
    "models",
    "samplers",
    "fid",
    "evaluation",
    "experiments",
    "figures",
)
HEAD = f"""# Public names

What is listed here is public: a change of it has a line in the changelog. Import a name from the
module in the heading above it, as in `from {PACKAGE}.models import VAE`. The files inside a room
may change without notice. `help(name)` shows the whole docstring, with an example.

`python tools/api_page.py` writes this page.
"""


def page() -> str:
    """Return the text of the page."""
    modules = [PACKAGE, *(f"{PACKAGE}.{room}" for room in ROOMS)]
    return "\n".join([HEAD, *map(_section, modules)])


def _section(name: str) -> str:
    module = importlib.import_module(name)
    rows = [f"| `{each}` | {one_line(getattr(module, each))} |" for each in module.__all__]
    return "\n".join(
        [f"## {name}", "", _first(module), "", "| name | what it is |", "|---|---|", *rows, ""]
    )


def one_line(value: object) -> str:
    """Return one line about a name: of its docstring, or what a constant holds."""
    if isinstance(value, type | ModuleType) or inspect.isroutine(value):
        return _first(value).replace("|", "\\|")
    if isinstance(value, Mapping):
        return "By name: " + ", ".join(f"`{key}`" for key in value) + "."
    if isinstance(value, Collection) and not isinstance(value, str):
        return ", ".join(f"`{each}`" for each in value) + "."
    return f"`{value!r}`."


def _first(value: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return re.sub(r"\s+", " ", (inspect.getdoc(value) or "").split("\n\n")[0])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
