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
    "absl", "ai_edge_litert", "flatbuffers", "google", "grpc", "h5py", "jax", "jinja2", "keras",
    "matplotlib", "numpy", "onnx", "onnxruntime", "openvino", "PIL", "psutil", "ray", "rich",
    "scipy", "sklearn", "tensorflow", "tensorrt", "tf2onnx", "torch", "yaml",
}  # fmt: skip
FRAMEWORKS = HEAVY - {"numpy", "rich", "psutil", "google", "h5py", "jinja2", "PIL", "yaml"}


# Tests of many modules at once, or of what no module does by itself.
ACROSS_MODULES = {
    "tests/export/formats/test_another_format.py",  # one that is registered by the test
    "tests/export/gate/test_unusual.py",  # networks of every kind, through the whole gate
    "tests/export/html/test_in_browser.py",
    "tests/export/serving/client/test_hostile_grpc.py",
    "tests/export/serving/client/test_hostile_server.py",
    "tests/export/serving/test_docs.py",
    "tests/export/serving/test_hostile_folder.py",
    "tests/export/serving/test_real_servers.py",
    "tests/export/test_corruption.py",  # any byte of any artifact
    "tests/tools/test_export_calibration.py",
    "tests/tools/test_every_source.py",  # each kind of --model through every tool
    "tests/tools/test_export_inputs.py",  # from an export to its client
    "tests/keras_nets/test_backends.py",
    "tests/keras_nets/test_counts.py",
    "tests/keras_nets/test_families.py",
    "tests/keras_nets/test_golden.py",  # numbers that the frameworks themselves gave
    "tests/keras_nets/weights/test_cost.py",
    "tests/keras_nets/weights/test_fuzz.py",
    "tests/tools/test_cheap_mistakes.py",
}


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


def modules_of(test: str) -> list[str]:
    """The modules that a test file may be of: tests/a/test_b.py is of a/b.py, or of a package."""
    folder, _, name = test.removeprefix("tests/").rpartition("/")
    module = name.removeprefix("test_").removesuffix(".py")
    own = [f"{folder}/__init__.py"] if folder.endswith(f"/{module}") else []
    return [f"{folder}/{module}.py", f"{folder}/{module}/__init__.py", *own]
