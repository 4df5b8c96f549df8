"""The files of the house and what they import, for the rules of the house."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("keras_nets", "export", "tools", "examples")
PRODUCT = {
    path.relative_to(ROOT).as_posix(): path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
}
TESTS = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "tests").rglob("*.py"))}
TOOLS = sorted(name for name in PRODUCT if re.match(r"tools/(?!__init__)", name))
# These run in an environment with another TensorFlow, and in whatever Python that supports; all
# but the first, which runs the others and which they may import, are a lane's own.
IN_LANE = ["export/child.py"]
IN_LANE += sorted(
    name for name in PRODUCT if re.fullmatch(r"export/lanes/\w+/(?!__init__)\w+\.py", name)
)
HEAVY = {
    "absl", "google", "grpc", "h5py", "jax", "jinja2", "keras", "matplotlib", "numpy", "onnx",
    "onnxruntime", "PIL", "psutil", "rich", "scipy", "sklearn", "tensorflow", "tensorrt", "tf2onnx",
    "torch", "yaml",
}  # fmt: skip
FRAMEWORKS = HEAVY - {"numpy", "rich", "psutil", "google", "h5py", "jinja2", "PIL", "yaml"}


def parse(path: Path, **options) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path), **options)


def imports(tree: ast.AST):
    """(line, module) of every import below `tree`, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from export import checks` imports export.checks too.
            yield node.lineno, node.module or "."
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def imports_at_the_top(tree: ast.Module):
    """(line, module) of the imports that run when the module is imported."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(node)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo += ast.iter_child_nodes(node)
