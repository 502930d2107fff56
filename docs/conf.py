"""The documentation's site: `make docs` builds it with Sphinx into build/site.

Its source folder is the repository, so links between README, docs, notebooks and model cards are
the same on the site as on GitHub. docs/contents.md has the order of the pages.
"""

import importlib
import inspect
import re
import sys
from dataclasses import InitVar
from pathlib import Path
from types import ModuleType
from typing import Annotated
from typing import get_args
from typing import get_origin

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import inspect as sphinx_inspect
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from api_page import MODULES  # noqa: E402
from api_page import PACKAGE  # noqa: E402
from api_page import one_line  # noqa: E402

project = PACKAGE
copyright = "the balancing_vae developers"
release = importlib.import_module(PACKAGE).__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb", "sphinx_copybutton"]
root_doc = "README"
include_patterns = ["*.md", "docs/**", "examples/README.md", "notebooks/*", "weights/**"]
exclude_patterns = ["docs/contents.md", "**/.ipynb_checkpoints"]

napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has the types

nb_execution_mode = "off"  # the notebooks are shown as they were run
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 60

html_theme = "furo"
html_title = PACKAGE
html_favicon = "icon.svg"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
# The front page is README; a visitor of the folder is led there.
html_additional_pages = {"index": "index.html"}
templates_path = ["."]

REFERENCE = ROOT / "docs" / "reference"


def write_reference(app) -> None:
    """Write a page for each public module; a name of several of them is described once."""
    REFERENCE.mkdir(exist_ok=True)
    described: list = []
    for module in reversed(MODULES):
        parts = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
        for name, value in public_objects(module):
            if not any(value is other for other in described):
                described.append(value)
                parts += describe(module, name, value)
        text, page = "\n".join(parts), REFERENCE / f"{module}.rst"
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def public_objects(module: str) -> list[tuple[str, object]]:
    """Return what a module exports, without the modules inside it."""
    exported = importlib.import_module(module)
    pairs = [(name, getattr(exported, name)) for name in exported.__all__]
    return [(name, value) for name, value in pairs if not isinstance(value, ModuleType)]


def describe(module: str, name: str, value: object) -> list[str]:
    """Return the directive that describes an object."""
    if isinstance(value, type):
        return [f".. autoclass:: {module}.{name}", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {module}.{name}", ""]
    return [f".. py:data:: {name}", "", f"   {literals(one_line(value))}", ""]


def add_contents(app, docname: str, source: list[str]) -> None:
    """Append the table of contents to README; lead links to folders to their README."""
    if docname == root_doc:
        source[0] += (ROOT / "docs" / "contents.md").read_text("utf-8")
    source[0] = re.sub(r"\]\(([\w./-]+/)\)", r"](\1README.md)", source[0])


def literals(text: str) -> str:
    """Double the backticks around code, within a line or over the end of one."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def plain_signature(app, what, name, value, options, signature, returns):
    """Show types without their checks, and a class by its `__init__`, which Keras's hides."""
    if what not in ("class", "function", "method") or signature is None:
        return None
    if "Annotated[" not in signature and signature != "(*args, **kwargs)":
        return None
    found = sphinx_inspect.signature(value.__init__, bound_method=True)
    parameters = [
        each.replace(annotation=plain_type(each.annotation)) for each in found.parameters.values()
    ]
    found = found.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return sphinx_inspect.stringify_signature(found, unqualified_typehints=True), returns


def plain_type(annotation):
    """Return what a type with checks is without them."""
    if isinstance(annotation, InitVar):
        annotation = annotation.type
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Example|Note|Source):")


def from_markdown(app, what, name, value, options, lines: list[str]) -> None:
    """Turn a docstring's code, which is written as in Markdown, into reStructuredText."""
    text, in_fence, in_sections = [], False, False
    for before, line in zip(["", *lines], literals("\n".join(lines)).split("\n"), strict=False):
        in_sections = in_sections or bool(SECTION.match(line))
        indentation = line[: len(line) - len(line.lstrip())]
        if line.strip().startswith("```"):
            in_fence = not in_fence
            language = line.strip().removeprefix("```")
            text += [f"{indentation}.. code-block:: {language}", ""] if language else [""]
        elif in_fence:
            text.append(f"   {line}")
        else:
            if not in_sections and indentation and not before.strip():
                text += [".. code-block:: text", ""]
            text.append(line)
    lines[:] = text


class LinkedCode(SphinxPostTransform):
    """Link code that is a public name, in pages and in docstrings, to its description."""

    default_priority = 5

    def run(self, **options) -> None:
        """Replace literals by links to what they name."""
        if self.env.docname == "CHANGELOG":
            return
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removesuffix("()")
            if isinstance(literal.parent, nodes.reference | nodes.title):
                continue
            if found := self._described(name, literal.astext()):
                literal.replace_self(self._link(*found, literal))

    def _described(self, name: str, text: str):
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            return None
        # A lone word such as `mse` is as often a column of a table as a function.
        if "." not in name and name.islower() and "_" not in name and not text.endswith("()"):
            return None
        objects = self.env.get_domain("py").objects
        ends = [
            full
            for full, entry in objects.items()
            if not entry.aliased and f".{full}".endswith(f".{name}")
        ]
        if "." not in name:
            ends = [full for full in ends if full.rpartition(".")[0] in MODULES]
        return (ends[0], objects[ends[0]]) if len(ends) == 1 else None

    def _link(self, full: str, entry, literal):
        page, builder = self.env.docname, self.app.builder
        return make_refnode(builder, page, entry.docname, entry.node_id, literal.deepcopy(), full)


def setup(app) -> None:
    """Connect the functions above."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", from_markdown, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", plain_signature)
    app.add_post_transform(LinkedCode)
