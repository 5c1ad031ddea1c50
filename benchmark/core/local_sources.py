"""Everything local that a plugin's results come from: what its file imports and the data it reads.

The text is read and never run, so that what a function imports or reads only when it is called
counts, too. What the text does not tell is named in `LocalSources.unknown`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.errors import PluginError
from benchmark.core.own_packages import ROOT
from benchmark.core.path_expressions import PathExpressions, UnknownPathError
from benchmark.core.syntax import nodes, parsed
from benchmark.core.where_modules_lie import is_local, module_files

_MOST_FILES = 1000
_IMPORTERS = frozenset({"import_module", "__import__"})
_CODE_READERS = {"spec_from_file_location": 1, "SourceFileLoader": 1, "run_path": 0}
"""Functions that run a file, and which argument is its path."""

_READERS = frozenset({"open", "imread", "load_file", "safe_open", "loadtxt", "genfromtxt"}) | {
    *("fromfile", "memmap", "loadmat", "File", "ZipFile", "CDLL", "connect", "from_file"),
}
"""Imported functions, and ``open``, whose first argument is the path of a file that they read;
those called ``read_…`` are, too."""

_LOADERS = frozenset({"numpy", "torch", "joblib"})
"""Packages whose functions ``load`` take a path."""

_PROGRAMS = ("subprocess.", "os.system", "os.popen", "torch.utils.cpp_extension.")
"""What runs programs, or compiles code, that nothing here follows."""

_METHODS = frozenset({"read_text", "read_bytes", "open", "glob", "rglob", "iterdir"})
"""Methods of a path that read it."""

_LISTERS = frozenset({"listdir", "scandir", "walk"})

_HARNESS_FOLDERS = frozenset({"work_dir", "cache_dir"})
"""Attributes under which the harness hands out folders of its own."""


@dataclass
class LocalSources:
    """The local files behind a plugin.

    Attributes:
        code: Python files, by the names of their modules.
        data: Other files that they read, by their place beside the plugin's file; missing ones,
            too.
        unknown: What the text does not tell, a line each.
    """

    code: dict[str, Path] = field(default_factory=dict)
    data: dict[str, Path] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def local_sources(path: Path, module: str, root: Path = ROOT) -> LocalSources:
    """Return all local files that a plugin's results come from.

    Installed packages do not count, but for the one that the plugin is part of; nor does the
    package ``benchmark``, which fingerprints cover by its versions. A file that says
    ``sources = […]``, at its top or in a class, names the files and folders beside it that it
    reads; what its text does not tell is then taken for known, and what its imports do not tell,
    if it is the plugin's own.

    Args:
        path: The plugin's file.
        module: Name of its module; relative imports start from it.
        root: Folder of the project's packages.

    Raises:
        PluginError: A declared source does not exist, or a file is no Python text.
    """
    start = path.resolve()
    found = LocalSources()
    waiting = [(start, module)]
    while waiting:
        current, name = waiting.pop()
        if name not in found.code:
            found.code[name] = current
            reader = _Reader(current, name, start, root, found)
            waiting.extend(reader.imports())
            reader.add_declared()
    if _declared(parsed(start.read_bytes())) is not None:
        found.unknown.clear()
    return found


def _declared(tree: ast.Module) -> list[str] | None:
    """Return what a file declares as ``sources``; None if it declares nothing."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in (*tree.body, *(node for one in classes for node in one.body)):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        if isinstance(target, ast.Name) and target.id == "sources":
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            items = value.elts if isinstance(value, ast.List | ast.Tuple) else [None]
            texts = [one.value for one in items if isinstance(one, ast.Constant)]
            if len(texts) == len(items) and all(isinstance(one, str) for one in texts):
                return [str(one) for one in texts]
    return None


class _Reader:
    """Reads one file of code.

    Args:
        path: The file.
        module: Name of its module.
        start: The plugin's file.
        root: Folder of the project's packages.
        found: Takes up data and what is unknown.
    """

    def __init__(
        self, path: Path, module: str, start: Path, root: Path, found: LocalSources
    ) -> None:
        self._path, self._module, self._start, self._found = path, module, start, found
        self._root = root
        try:
            self._tree = parsed(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise PluginError(f"{path} is no Python text: {error}", "mend the file") from error
        self._paths = PathExpressions(self._tree, path)

    def add_declared(self) -> None:
        """Add the sources that the file declares.

        Raises:
            PluginError: One does not exist.
        """
        declared = _declared(self._tree)
        if declared is None:
            return
        own = f"{self._path.name}, line "
        self._found.unknown[:] = [one for one in self._found.unknown if not one.startswith(own)]
        for text in declared:
            path = self._path.parent / text
            if not path.exists():
                raise PluginError(
                    f"{self._path.name} declares the source {text!r}, which does not exist",
                    "sources are files and folders, relative to the file that declares them",
                )
            _add_data(self._found, path, self._start, f"{self._path.name} declares {text}")

    def imports(self) -> Iterator[tuple[Path, str]]:
        """Yield the local files that this one imports, with their modules' names."""
        for node in nodes(self._tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    yield from self._module_files(one.name, node)
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                yield from self._module_files(source, node)
                for one in node.names:
                    dot = "" if source.endswith(".") else "."
                    yield from self._module_files(f"{source}{dot}{one.name}", None)
            elif isinstance(node, ast.Call):
                yield from self._call(node)

    def _module_files(self, name: str, node: ast.AST | None) -> Iterator[tuple[Path, str]]:
        """Yield the files of a module; `node` is blamed if it cannot be found."""
        found = module_files(name, self._path, self._module, self._start, self._root)
        if found is None:
            if node is not None and not self._is_guarded(node):
                self._unknown(node, f"imports {name}, which is not to be found")
            return
        for file, full_name in found:
            if is_local(file, self._start, self._root):
                yield file, full_name

    def _is_guarded(self, node: ast.AST) -> bool:
        """Whether an import stands in a ``try``: it may fail, and the file lives with it."""
        return any(
            isinstance(block, ast.Try) and any(node is one for one in ast.walk(block))
            for block in nodes(self._tree)
        )

    def _call(self, node: ast.Call) -> Iterator[tuple[Path, str]]:
        full = self._paths.full_name(node.func)
        function = full.rpartition(".")[2] if full else _called(node)
        if function in _IMPORTERS:
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield from self._module_files(name.value, node)
            else:
                self._unknown(node, "imports a module whose name is known only when it runs")
        elif function in _CODE_READERS:
            for path in self._resolved(node, _argument(node, _CODE_READERS[function])):
                yield path, path.stem
        elif full is not None and full.startswith(_PROGRAMS):
            self._unknown(node, "runs another program")
        elif self._reads(node, full, function) and not self._writes(node, full):
            target = self._target(node, full, function)
            for path in self._resolved(node, target):
                _add_data(self._found, path, self._start, self._at(node))

    def _reads(self, node: ast.Call, full: str | None, function: str) -> bool:
        """Whether a call reads a file or a folder."""
        if full is not None:
            loads = function == "load" and full.partition(".")[0] in _LOADERS
            return loads or function in _READERS | _LISTERS or function.startswith("read_")
        if isinstance(node.func, ast.Attribute):
            return function in _METHODS and not _is_own(node.func.value)
        return function == "open"  # other functions of the file read what stands in their bodies

    def _target(self, node: ast.Call, full: str | None, function: str) -> ast.expr | None:
        """Return the expression of the path that a call reads; None if it names none."""
        if full is None and isinstance(node.func, ast.Attribute):
            return node.func.value
        return _argument(node, 0) or (ast.Constant(".") if function in _LISTERS else None)

    def _writes(self, node: ast.Call, full: str | None) -> bool:
        """Whether a call of ``open`` only writes."""
        if _called(node) != "open":
            return False
        is_method = isinstance(node.func, ast.Attribute) and full is None
        mode = _argument(node, 0 if is_method else 1)
        mode = next((one.value for one in node.keywords if one.arg == "mode"), mode)
        return isinstance(mode, ast.Constant) and not {"r", "+"} & set(str(mode.value))

    def _resolved(self, node: ast.Call, target: ast.expr | None) -> list[Path]:
        """Return the path of an expression; none, if it is the harness's or not to be told."""
        if target is None:
            self._unknown(node, "reads a file that the text does not name")
            return []
        named = {part.attr for part in ast.walk(target) if isinstance(part, ast.Attribute)} | {
            part.id for part in ast.walk(target) if isinstance(part, ast.Name)
        }
        if named & (_HARNESS_FOLDERS | self._paths.streams):
            return []
        try:
            return [self._paths.path(target, self._start.parent)]
        except UnknownPathError:
            self._unknown(node, "reads a file whose name is known only when it runs")
            return []

    def _at(self, node: ast.AST) -> str:
        return f"{self._path.name}, line {getattr(node, 'lineno', '?')}"

    def _unknown(self, node: ast.AST, what: str) -> None:
        self._found.unknown.append(f"{self._at(node)}: {what}")


def _is_own(receiver: ast.expr) -> bool:
    """Whether a method is the object's own, whose body is read where it stands."""
    return isinstance(receiver, ast.Name) and receiver.id in ("self", "cls")


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _argument(node: ast.Call, position: int) -> ast.expr | None:
    if position < len(node.args):
        return node.args[position]
    named = [one.value for one in node.keywords if one.arg in ("path", "file", "filename", "fname")]
    return named[0] if named else None


def _name_of(path: Path, start: Path) -> str:
    """Return a name of a file that is the same wherever the plugin's folder lies."""
    folder = start.parent
    for up, base in enumerate((folder, *folder.parents)):
        if path.is_relative_to(base) and base != Path(base.anchor):
            return "../" * up + path.relative_to(base).as_posix()
    return path.as_posix()


def _add_data(found: LocalSources, path: Path, start: Path, where: str) -> None:
    """Add a data file, or all files below a folder."""
    resolved = path.resolve()
    files = [resolved]
    if resolved.is_dir():
        files = [one for one in sorted(resolved.rglob("*")) if one.is_file()]
        files = [one for one in files if "__pycache__" not in one.parts]
        if len(files) > _MOST_FILES:
            found.unknown.append(f"{where}: reads a folder of {len(files)} files")
            return
    found.data.update((_name_of(one, start), one) for one in files)
