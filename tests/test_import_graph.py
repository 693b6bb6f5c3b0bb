"""The graph of imports inside diglot: imports run downwards through the floors, without circles.

The graph is drawn from the source with ``ast``, so imports inside functions count as well. The
package ``diglot`` itself offers names from many rooms, so it is the top floor with ``__main__``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "diglot"

# A room is a package or module of diglot. ARCHITECTURE.md has the same table.
FLOORS: Mapping[int, tuple[str, ...]] = {
    12: ("cli",),
    11: ("parity",),
    10: ("serving",),
    9: ("equality",),
    8: ("classifier",),
    7: ("endpoints", "batched_model"),
    6: ("models", "settings"),
    5: ("backends",),
    4: ("lowering", "preprocessing", "tokenizer"),
    3: ("checkpoints",),
    2: ("heads", "tokenization", "explanation", "inputs"),
    1: (
        *("batching", "embedded", "errors", "extras", "files"),
        *("quiet", "text", "types", "versions"),
    ),
}
# The package itself and ``python -m diglot``.
TOP = ("", "__main__")

FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
FLOOR_OF |= dict.fromkeys(TOP, max(FLOORS) + 1)

Graph = Mapping[str, set[str]]


def modules(source: Path) -> dict[str, Path]:
    """The file of each module by its dotted name without ``diglot.``; ``""`` is the package."""
    found = {}
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def imports(tree: ast.AST, *, typing: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a module.

    Args:
        tree: the module.
        typing: whether to include those under ``if TYPE_CHECKING:``.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not typing:
            for statement in node.orelse:
                yield from imports(ast.Module([statement], []), typing=typing)
        else:
            yield from imports(node, typing=typing)


def names(
    node: ast.Import | ast.ImportFrom, tree: ast.AST, importer: str, package: bool
) -> Iterator[str]:
    """The full names that a statement imports, such as ``diglot.errors.InputError``.

    Args:
        node: the statement.
        tree: the module, in which ``import diglot`` stands for the names that are used of it.
        importer: the name of the module.
        package: whether the module is the ``__init__.py`` of a package.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name != "diglot")
        if any(alias.name == "diglot" for alias in node.names):
            for used in ast.walk(tree):
                if isinstance(used, ast.Attribute) and ast.unparse(used.value) == "diglot":
                    yield f"diglot.{used.attr}"
        return
    base = node.module or ""
    if node.level:
        parts = ["diglot", *importer.split(".")] if importer else ["diglot"]
        kept = len(parts) - node.level + package
        base = ".".join([*parts[:kept], *filter(None, [base])])
    yield from (f"{base}.{alias.name}" for alias in node.names)


def graph(source: Path, *, typing: bool = False) -> Graph:
    """The modules that each module imports.

    Args:
        source: the folder of the package.
        typing: whether imports under ``if TYPE_CHECKING:`` count.
    """
    files = modules(source)
    # A folder without an __init__.py is a module too, though an empty one.
    folders = {name.rpartition(".")[0] for name in files} - files.keys()
    found: dict[str, set[str]] = {name: set() for name in files}
    for importer, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        package = path.name == "__init__.py"
        for node in imports(tree, typing=typing):
            for name in names(node, tree, importer, package):
                # The version is a constant of the package, which any room may read.
                if name.split(".")[0] != "diglot" or name == "diglot.__version__":
                    continue
                target = name.partition(".")[2]
                while target not in files and target not in folders:
                    target = target.rpartition(".")[0]
                if target in files and target != importer:
                    found[importer].add(target)
    return found


def circle(imported: Graph) -> list[str]:
    """One circle of the graph, the first module at both ends; empty if there is none."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return [name or "diglot" for name in error.args[1]][::-1]
    return []


def between_rooms(imported: Graph) -> Graph:
    found: dict[str, set[str]] = {room(name): set() for name in imported}
    for name, targets in imported.items():
        found[room(name)] |= {room(target) for target in targets} - {room(name)}
    return found


def upwards(imported: Graph) -> list[str]:
    """The imports that run to a higher floor."""
    return [
        f"{name} (floor {FLOOR_OF[room(name)]}) imports {target or 'diglot'}"
        f" (floor {FLOOR_OF[room(target)]})"
        for name, targets in sorted(imported.items())
        for target in sorted(targets)
        if FLOOR_OF[room(target)] > FLOOR_OF[room(name)]
    ]


def test_every_room_has_a_floor() -> None:
    rooms = {room(name) for name in modules(SOURCE)}
    assert rooms == FLOOR_OF.keys(), "name each room in FLOORS, and in ARCHITECTURE.md"


def test_imports_run_downwards() -> None:
    violations = upwards(graph(SOURCE))
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize("typing", [False, True], ids=["at run time", "with those for types"])
def test_imports_have_no_circle(typing: bool) -> None:
    imported = graph(SOURCE, typing=typing)
    found = circle(imported)
    assert not found, " -> ".join(found)


def test_rooms_have_no_circle() -> None:
    found = circle(between_rooms(graph(SOURCE)))
    assert not found, " -> ".join(found)


def test_the_floors_are_those_of_the_document() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    documented: dict[int, set[str]] = {}
    for floor, rooms in re.findall(r"^\| *(\d+) *\|([^|]*)\|", text, re.MULTILINE):
        found = re.findall(r"\w+(?=/|\.py|\b)", rooms.replace(".py", ""))
        documented.setdefault(int(floor), set()).update(found)
    assert documented == {floor: set(rooms) for floor, rooms in FLOORS.items()}


# ----- the check itself, on made-up packages


def package(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_way_to_import_is_seen(tmp_path: Path) -> None:
    files = {
        "__init__.py": "def lazy():\n    from diglot.cli import main\n",
        "errors.py": "",
        "text.py": "import numpy\nimport diglot.errors\nfrom . import files\n",
        "files.py": "class A:\n    def f(self):\n        from diglot.errors import InputError\n",
        "cli/__init__.py": "from .rows import read\nfrom diglot import text as t, pipeline\n",
        "cli/rows/__init__.py": "from ...files import write\nfrom diglot.cli.rows import array\n",
        "cli/rows/array.py": "try:\n    from diglot.serving import proof\nfinally:\n    pass\n",
        "serving/proof.py": "from diglot import __version__, serving\n",
    }
    assert graph(package(tmp_path, files)) == {
        "": {"cli"},
        "errors": set(),
        "text": {"errors", "files"},
        "files": {"errors"},
        "cli": {"cli.rows", "text", ""},
        "cli.rows": {"files", "cli.rows.array"},
        "cli.rows.array": {"serving.proof"},
        "serving.proof": set(),
    }


def test_imports_for_types_are_told_apart(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "text.py": "if TYPE_CHECKING:\n    import diglot.files\nelse:\n    import diglot.errors\n",
        "files.py": "from diglot.text import visible\n",
        "errors.py": "",
    }
    source = package(tmp_path, files)
    assert graph(source)["text"] == {"errors"}
    assert graph(source, typing=True)["text"] == {"errors", "files"}
    assert circle(graph(source)) == []
    assert set(circle(graph(source, typing=True))) == {"text", "files"}


def test_a_circle_is_found(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "serving/a.py": "def f():\n    from diglot.serving import b\n",
        "serving/b.py": "import diglot.serving.c\n",
        "serving/c.py": "from .a import f\n",
    }
    found = circle(graph(package(tmp_path, files)))
    assert found[0] == found[-1]
    assert " -> ".join(found * 2).count("serving.a -> serving.b -> serving.c") >= 1


def test_a_circle_of_rooms_is_found(tmp_path: Path) -> None:
    """No module imports itself in the end, and yet neither room can do without the other."""
    files = {
        "__init__.py": "",
        "heads/a.py": "from diglot.tokenization import b\n",
        "heads/c.py": "",
        "tokenization/b.py": "from diglot.heads import c\n",
    }
    imported = graph(package(tmp_path, files))
    assert circle(imported) == []
    assert set(circle(between_rooms(imported))) == {"heads", "tokenization"}


def test_an_import_upwards_is_found(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "errors.py": "def f():\n    from diglot import cli, files\n",
        "files.py": "import diglot\nx = diglot.pipeline\ny = diglot.__version__\n",
        "cli/__init__.py": "import diglot.errors\n",
    }
    assert upwards(graph(package(tmp_path, files))) == [
        "errors (floor 1) imports cli (floor 12)",
        "files (floor 1) imports diglot (floor 13)",
    ]
