"""The examples of the documentation: the Python blocks of docstrings and pages."""

import ast
import builtins
import importlib
import re
import symtable
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.paths import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    *sorted(f"weights/{path.parent.name}/README.md" for path in ROOT.glob("weights/*/README.md")),
)
BLOCK = re.compile(r"^ *```python\n(.*?)^ *```", re.S | re.M)


@dataclass(frozen=True)
class Example:
    """The Python blocks of a docstring or a page, which run one after the other."""

    name: str
    code: str
    module: str | None = None

    def names(self) -> dict[str, object]:
        """Return the names of its module, which the example may use without an import."""
        return dict(vars(importlib.import_module(self.module))) if self.module else {}

    def lacks(self) -> set[str]:
        """Return the names that the example uses, but that neither it nor its module defines."""
        return _free_names(self.code) - set(self.names()) - set(vars(builtins))

    def texts(self) -> set[str]:
        """Return the strings in the example, including the paths that it reads."""
        nodes = ast.walk(ast.parse(self.code))
        return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    def results(self) -> Iterator[tuple[str, object]]:
        """Yield each expression that has its value in a comment after it, and that value."""
        lines = self.code.splitlines()
        for node in ast.parse(self.code).body:
            _, _, comment = lines[node.end_lineno - 1][node.end_col_offset :].partition("#")
            try:
                value = ast.literal_eval(comment.strip())
            except (SyntaxError, ValueError):
                continue
            if isinstance(node, ast.Expr):
                yield ast.unparse(node), value


def docstring_examples() -> list[Example]:
    """Return the examples of the package's docstrings."""
    found = []
    for path in sorted((ROOT / "balancing_vae").rglob("*.py")):
        module = _module_of(path)
        for name, docstring in _docstrings(ast.parse(path.read_text("utf-8")), module):
            if code := _code(docstring):
                found.append(Example(name.removeprefix("balancing_vae."), code, module))
    return found


def page_examples() -> list[Example]:
    """Return the examples of README, of the pages in docs/ and of the model cards."""
    codes = {page: _code((ROOT / page).read_text("utf-8")) for page in PAGES}
    return [Example(page, code) for page, code in codes.items() if code]


def _code(text: str) -> str:
    return "\n".join(map(textwrap.dedent, BLOCK.findall(text)))


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if docstring := ast.get_docstring(node):
        yield name, docstring
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _docstrings(child, f"{name}.{child.name}")


def _free_names(code: str) -> set[str]:
    """Return the names that are used before anything is assigned to them."""
    known, free = set(), set()
    for statement in ast.parse(code).body:
        table = symtable.symtable(ast.unparse(statement), "example", "exec")
        symbols = table.get_symbols()
        made = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
        # `z = scale(z)` uses an older z, but `for z in ...: scale(z)` uses the loop's own z.
        own = set() if isinstance(statement, ast.Assign) else made
        free |= _used_names(table) - known - own
        known |= made
    return free


def _used_names(table: symtable.SymbolTable) -> set[str]:
    here = table.get_type() == "module"
    used = [s for s in table.get_symbols() if s.is_referenced() and (here or s.is_global())]
    return {s.get_name() for s in used}.union(*map(_used_names, table.get_children()))


def defined_names() -> dict[str, list[str]]:
    """Return, for each function, class or constant, the modules of the package that define it."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "balancing_vae").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            for name in names:
                found.setdefault(name, []).append(_module_of(path))
    return found


def _module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
