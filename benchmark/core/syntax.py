"""What Python source means, apart from how it is written: a canonical form of its syntax tree.

Left out are comments, formatting, docstrings, the prose of a plugin's card, annotations that
nothing reads, the order of imports and imports that only annotations need. What a library may read
stays: annotations of the fields of data classes and of functions under an unknown decorator, and
everything that the file itself asks for (``__doc__``, ``__annotations__`` …). The form is the same
for every version of Python.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby

_READS_DOCSTRINGS = frozenset({"__doc__", "getdoc", "getsource", "getsourcelines", "getcomments"})
_READS_ANNOTATIONS = frozenset(
    {"__annotations__", "get_type_hints", "get_annotations", "signature", "getfullargspec"}
)

_PLAIN_DECORATORS = frozenset(
    {"abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "deleter"}
    | {"enable_grad", "field_validator", "final", "inference_mode", "lru_cache", "model_validator"}
    | {"no_grad", "override", "property", "register_attack", "register_backbone", "setter"}
    | {"register_dataset", "register_defense", "staticmethod", "wraps"}
)
"""Decorators that do not read the annotations of what they decorate."""

_PLAIN_BASES = frozenset(
    {"ABC", "Attack", "Backbone", "Dataset", "Defense", "Exception", "IteratedAttack"}
    | {"Mountable", "Parametrised"}  # what earlier sources in the table call it, and today's
    | {"Module", "Plugin", "RuntimeError", "ValueError", "object"}
)
"""Classes that make no fields of the annotations in the classes derived from them."""

_IMPORTED_WITHOUT_EFFECT = frozenset({"benchmark", "numpy", "pydantic", "torch"}) | frozenset(
    sys.stdlib_module_names
)
"""Packages whose import changes nothing but the names in the file."""

_NOT_PART = frozenset({"ctx", "kind", "type_comment", "type_ignores"})

Plain = str | list["Plain"]


@lru_cache(maxsize=512)
def parsed(source: bytes) -> ast.Module:
    """Parse source text of any declared encoding; the tree is not to be changed."""
    return ast.parse(source)


@lru_cache(maxsize=512)
def nodes(module: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a syntax tree; plugins share files, and each is walked once."""
    return tuple(ast.walk(module))


def plain_classes(modules: Iterable[ast.Module]) -> frozenset[str]:
    """Return the names of classes whose annotated attributes are no fields.

    These are the classes of the modules without decorators that derive, over any number of steps,
    from nothing or from plugins and torch modules alone, and those themselves.
    """
    bases: dict[str, list[str]] = {}
    fields: set[str] = set()
    for node in (node for module in modules for node in nodes(module)):
        if isinstance(node, ast.ClassDef):
            bases.setdefault(node.name, []).extend(map(_last_name, node.bases))
            if (node.decorator_list and not _all_plain(node.decorator_list)) or node.keywords:
                fields.add(node.name)
    plain = set(_PLAIN_BASES) - bases.keys()  # a class of the modules goes by its own bases
    while True:
        found = {
            name
            for name, of in bases.items()
            if name not in fields and name not in plain and plain.issuperset(of)
        }
        if not found:
            return frozenset(plain - fields)
        plain |= found


@lru_cache(maxsize=512)
def canonical(module: ast.Module, plain: frozenset[str]) -> Plain:
    """Return what a module means as nested lists of strings, not to be changed.

    Args:
        module: The syntax tree.
        plain: Names of classes whose annotated attributes are no fields, see `plain_classes`.
    """
    attributes = {node.attr for node in nodes(module) if isinstance(node, ast.Attribute)}
    names = attributes | {node.id for node in nodes(module) if isinstance(node, ast.Name)}
    form = _Form(
        plain=plain,
        docstrings=bool(names & _READS_DOCSTRINGS),
        cards="card" in attributes,
        annotations=bool(names & _READS_ANNOTATIONS),
    )
    body = form.block(module.body, in_fields=False)
    used = set(_strings(body))
    return [part for part in body if not _is_idle_import(part, used)]


class _Form:
    """Writes nodes in canonical form."""

    def __init__(
        self, plain: frozenset[str], docstrings: bool, cards: bool, annotations: bool
    ) -> None:
        self._plain, self._docstrings = plain, docstrings
        self._cards, self._annotations = cards, annotations

    def block(self, body: list[ast.stmt], in_fields: bool) -> list[Plain]:
        """Return the statements of a block; neighbouring imports are in alphabetical order."""
        written: list[Plain] = []
        for is_import, group in groupby(body, lambda node: isinstance(node, _IMPORTS)):
            if is_import:
                written.extend(_imports([node for node in group if isinstance(node, _IMPORTS)]))
            else:
                for node in group:
                    written.extend(self._statement(node, in_fields))
        return written

    def _statement(self, node: ast.stmt, in_fields: bool) -> list[Plain]:
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and self._is_idle(node)):
            return []
        if _is_card(node) and not self._cards:
            return []
        if isinstance(node, ast.If) and _last_name(node.test) == "TYPE_CHECKING":
            return self.block(node.orelse, in_fields)
        if isinstance(node, ast.AnnAssign) and not self._annotations:
            is_class_variable = _last_name(node.annotation) == "ClassVar"
            if is_class_variable or not in_fields:
                return self._assignment(node)
        return [self.node(node, in_fields)]

    def _is_idle(self, node: ast.Expr) -> bool:
        return isinstance(node.value, ast.Constant) and not self._docstrings

    def _assignment(self, node: ast.AnnAssign) -> list[Plain]:
        if node.value is None:
            return []
        return [self.node(ast.Assign(targets=[node.target], value=node.value), in_fields=False)]

    def node(self, node: ast.AST, in_fields: bool = False) -> Plain:
        """Return a node and all below it."""
        if isinstance(node, ast.Constant):
            return ["Constant", type(node.value).__name__, repr(node.value)]
        if isinstance(node, ast.JoinedStr):
            return ["JoinedStr", *(self.node(one) for one in _joined(node.values))]
        parts: Mapping[str, object] = dict(ast.iter_fields(node))
        if isinstance(node, ast.ClassDef):
            in_fields = node.name not in self._plain
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            in_fields = False
            if not self._annotations and _all_plain(node.decorator_list):
                parts = {**parts, "returns": None, "args": _without_annotations(node.args)}
        written: list[Plain] = [type(node).__name__]
        for name, value in sorted(parts.items()):
            if name in _NOT_PART or value is None or value == []:
                continue
            written.append([name, self._value(value, in_fields)])
        return written

    def _value(self, value: object, in_fields: bool) -> Plain:
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            return self.block(value, in_fields)
        if isinstance(value, list):
            return [self._value(one, in_fields) for one in value]
        return self.node(value, in_fields) if isinstance(value, ast.AST) else repr(value)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Return the parts of an f-string, empty texts left out and neighbouring ones as one.

    Versions of Python differ in both.
    """
    joined: list[ast.expr] = []
    for value in values:
        last = joined[-1] if joined else None
        if isinstance(value, ast.Constant) and not value.value:
            continue
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(str(last.value) + str(value.value))
        else:
            joined.append(value)
    return joined


_IMPORTS = (ast.Import, ast.ImportFrom)


def _imports(nodes: list[ast.Import | ast.ImportFrom]) -> list[Plain]:
    """Return neighbouring imports one name a line, sorted unless their order counts."""
    found: list[tuple[str, str, str]] = []
    for node in nodes:
        source = ""
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
        if source != "__future__":
            found += [(source, one.name, one.asname or one.name) for one in node.names]
    bound = [name.partition(".")[0] for _, _, name in found]
    order_counts = "*" in bound or any(
        bound.count(name) > 1 and not _is_dotted(found, name) for name in bound
    )
    lines = found if order_counts else sorted(set(found))
    return [["import", *line] for line in lines]


def _is_dotted(found: list[tuple[str, str, str]], name: str) -> bool:
    """Whether every import of a name is one of ``import name.part``: all bind the same thing."""
    return all(not source for source, _, bound in found if bound.partition(".")[0] == name)


def _is_idle_import(part: Plain, used: set[str]) -> bool:
    """Whether a line of canonical form imports a name that nothing uses, without any effect."""
    if not (isinstance(part, list) and part and part[0] == "import"):
        return False
    _, source, name, bound = map(str, part)
    package = (source or name).partition(".")[0]
    return package in _IMPORTED_WITHOUT_EFFECT and repr(bound.partition(".")[0]) not in used


def _is_card(node: ast.stmt) -> bool:
    """Whether a statement is ``card = Card(…)``, with or without an annotation."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [*map(_last_name, targets)] == ["card"] and _last_name(node.value) == "Card"


def _strings(part: Plain) -> Iterable[str]:
    if isinstance(part, str):
        yield part
    elif part[:1] != ["import"]:
        for one in part:
            yield from _strings(one)


def _without_annotations(arguments: ast.arguments) -> ast.arguments:
    def bare(argument: ast.arg) -> ast.arg:
        return ast.arg(arg=argument.arg)

    return ast.arguments(
        posonlyargs=[bare(one) for one in arguments.posonlyargs],
        args=[bare(one) for one in arguments.args],
        vararg=arguments.vararg and bare(arguments.vararg),
        kwonlyargs=[bare(one) for one in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg and bare(arguments.kwarg),
        defaults=arguments.defaults,
    )


def _all_plain(decorators: list[ast.expr]) -> bool:
    return _PLAIN_DECORATORS.issuperset(map(_last_name, decorators))


def _last_name(node: ast.expr) -> str:
    """Return ``c`` of ``a.b.c``, ``c(…)`` and ``c[…]``; empty for other expressions."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
