"""Paths that source text spells out: constants, ``Path(__file__).parent / "x"``, os.path.join …"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from benchmark.core.syntax import nodes

_SAME = frozenset({"resolve", "absolute", "expanduser", "abspath", "realpath", "fspath", "str"})
_JOINING = frozenset({"Path", "PurePath", "join", "joinpath"})


class UnknownPathError(Exception):
    """The text does not tell which path an expression is."""


class PathExpressions:
    """Evaluates expressions for paths in a file, without running it.

    Args:
        tree: The file's syntax tree.
        file: The file.

    Attributes:
        imported: What imports bind: the full name of each thing by its name in the file.
        streams: Names that stand for streams: of files opened elsewhere in the text, or in memory.
    """

    def __init__(self, tree: ast.Module, file: Path) -> None:
        self._file = file
        self.imported: dict[str, str] = {}
        self.streams: set[str] = set()
        assigned: list[tuple[str, ast.expr | None]] = []
        for node in nodes(tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    self.imported[one.asname or top] = one.name if one.asname else top
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    self.imported[one.asname or one.name] = f"{node.module or ''}.{one.name}"
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                self.streams.add(node.optional_vars.id)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                if isinstance(node.value, ast.Call) and _in_memory(node.value):
                    self.streams.update(n.id for n in node.targets if isinstance(n, ast.Name))
                assigned += _bound(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                assigned += _bound(node.target, node.value)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assigned.append((node.id, None))
            elif isinstance(node, ast.arg):
                assigned += [(node.arg, None), (node.arg, None)]
        # A name that is bound once appears twice: as the target of its value, and as a name.
        times = Counter(name for name, _ in assigned)
        self._constants = {n: value for n, value in assigned if value is not None and times[n] == 2}

    def path(self, node: ast.expr, folder: Path) -> Path:
        """Return the path of an expression; relative ones start where the run does, or in `folder`.

        Raises:
            UnknownPathError: The text does not tell.
        """
        path = Path(self._text(node)).expanduser()
        beside = folder / path
        return beside if beside.exists() or not path.exists() else path.absolute()

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return str(self._file)
            if node.id in self._constants:
                return self._text(self._constants[node.id])
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return str(Path(self._text(node.left)) / self._text(node.right))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left) + self._text(node.right)
        elif isinstance(node, ast.JoinedStr):
            return "".join(
                self._text(one.value if isinstance(one, ast.FormattedValue) else one)
                for one in node.values
            )
        elif isinstance(node, ast.Attribute) and node.attr == "parent":
            return str(Path(self._text(node.value)).parent)
        elif isinstance(node, ast.Subscript):
            return self._ancestor(node)
        elif isinstance(node, ast.Call):
            return self._call(node)
        raise UnknownPathError

    def _ancestor(self, node: ast.Subscript) -> str:
        of, index = node.value, node.slice
        number = index.value if isinstance(index, ast.Constant) else None
        if isinstance(of, ast.Attribute) and of.attr == "parents" and isinstance(number, int):
            return str(Path(self._text(of.value)).parents[number])
        raise UnknownPathError

    def _call(self, node: ast.Call) -> str:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ""
        name = function.id if isinstance(function, ast.Name) else name
        parts = list(node.args)
        if isinstance(function, ast.Attribute) and not self._is_module(function.value):
            parts.insert(0, function.value)
        if name in _SAME and len(parts) == 1:
            return self._text(parts[0])
        if name == "dirname" and len(parts) == 1:
            return str(Path(self._text(parts[0])).parent)
        if name in _JOINING and parts:
            return str(Path(*map(self._text, parts)))
        if name == "with_name" and len(parts) == 2:
            return str(Path(self._text(parts[0])).with_name(self._text(parts[1])))
        if name == "with_suffix" and len(parts) == 2:
            return str(Path(self._text(parts[0])).with_suffix(self._text(parts[1])))
        raise UnknownPathError

    def _is_module(self, node: ast.expr) -> bool:
        """Whether an expression is something imported, such as ``os.path``."""
        return self.full_name(node) is not None

    def full_name(self, node: ast.expr) -> str | None:
        """Return the full name of something imported, such as ``numpy.load``; else None."""
        below: list[str] = []
        while isinstance(node, ast.Attribute):
            below.append(node.attr)
            node = node.value
        if not (isinstance(node, ast.Name) and node.id in self.imported):
            return None
        return ".".join([self.imported[node.id], *reversed(below)])


def _bound(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr | None]]:
    return [(target.id, value)] if isinstance(target, ast.Name) else []


def _in_memory(call: ast.Call) -> bool:
    """Whether a call makes a stream that is no file."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else ""
    name = function.id if isinstance(function, ast.Name) else name
    return name in ("BytesIO", "StringIO")
