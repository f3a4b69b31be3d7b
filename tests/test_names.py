"""Names that a stranger can guess: constants are unique in their folder, functions no bare participles."""

import ast
import re
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "deepgyro"
TREES = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
PARTICIPLES = re.compile(
    r"_*(\w*[a-z]ed|begun|bent|built|chosen|done|drawn|driven|found|given|gone|held|kept|known|lain|left|lost|made"
    r"|met|put|read|said|seen|sent|set|shown|split|spoken|spread|taken|told|written)"
)
ALLOWED = {"read", "set", "split", "embed", "need", "feed", "shed", "speed", "seed"}
"""Verbs and nouns that only look like participles."""


def constants(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = (
                node.value.elts if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) else []
            )
            for k, name in enumerate(names):
                if isinstance(name, ast.Name) and re.fullmatch(r"_?[A-Z][A-Z0-9_]+", name.id):
                    yield name.id, ast.unparse(values[k] if values else node.value)


def test_a_constant_has_one_value_in_a_folder():
    values = defaultdict(set)
    for path, tree in TREES.items():
        for name, value in constants(tree):
            values[path.parent, name].add(value)

    twice = {f"{folder.name}/{name}": found for (folder, name), found in values.items() if len(found) > 1}

    assert not twice


def test_no_function_is_named_by_a_bare_participle():
    functions = [
        (path.relative_to(SOURCE).as_posix(), node.name)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    bare = [
        (path, name)
        for path, name in functions
        if PARTICIPLES.fullmatch(name) and name.strip("_") not in ALLOWED and "_" not in name.strip("_")
    ]

    assert len(functions) > 1000
    assert not bare
