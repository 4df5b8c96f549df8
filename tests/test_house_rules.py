"""The rules of the house, each held by a test: a broken one is named by file and line."""

import ast
import graphlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from house import (
    ACROSS_MODULES,
    FRAMEWORKS,
    HEAVY,
    IN_LANE,
    PRODUCT,
    ROOT,
    TESTS,
    TOOLS,
    imports,
    imports_at_the_top,
    modules_of,
    parse,
)

from export.formats.names import NAMES, TFTRT


def is_in(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("keras_nets/", ("export", "tools", "tests", "examples")),
        ("export/", ("keras_nets", "tools", "tests", "examples")),
        ("export/formats/", ("export.checks", "export.gate", "export.pipeline", "export.serving")),
        ("export/formats/", ("export.observe", "export.runtimes")),
        (
            "export/runtimes/",
            ("export.checks", "export.gate", "export.observe", "export.pipeline"),
        ),
        ("export/checks/", ("export.pipeline", "export.serving", "export.html")),
        ("export/gate/", ("export.pipeline", "export.serving", "export.html", "export.study")),
        (
            "export/networks/",
            (
                "export.checks",
                "export.formats",
                "export.gate",
                "export.observe.artifact",
                "export.pipeline",
            ),
        ),
        ("export/observe/model.py", ("export.checks", "export.gate", "export.observe.artifact")),
        ("export/observe/engine.py", ("export.checks", "export.gate", "export.pipeline")),
        ("export/report/", ("export.checks", "export.gate", "export.pipeline", "export.serving")),
        ("export/report/", ("export.html", "export.evaluation", "export.exporting")),
        ("export/html/", ("export.pipeline", "export.exporting", "export.serving")),
        ("export/evaluation/", ("export.checks", "export.gate", "export.pipeline")),
        ("export/evaluation/", ("export.exporting", "export.html", "export.serving")),
        ("export/serving/", ("export.pipeline", "export.exporting", "export.evaluation")),
        ("export/exporting.py", ("export.pipeline", "export.verifying", "export.serving")),
        ("export/verifying.py", ("export.pipeline", "export.exporting", "export.serving")),
        ("export/printable.py", ("export",)),
        ("export/child.py", ("export", "keras_nets")),
        ("export/errors.py", ("export",)),
        ("export/lazy.py", ("export.formats", "export.checks", "export.lanes", "export.pipeline")),
        ("export/results.py", ("export.formats", "export.checks", "export.pipeline")),
        ("tools/", ("tests",)),
        ("examples/", ("tools", "tests")),
    ],
)
def test_rooms_import_one_way(room, forbidden):
    files = [name for name in PRODUCT if name.startswith(room)]
    assert files, f"nothing is called {room}"
    wrong = [
        f"{name}:{line}: imports {module}"
        for name in files
        for line, module in imports(parse(PRODUCT[name]))
        if is_in(module, *forbidden)
    ]
    assert wrong == []


def test_no_files_import_each_other_in_a_circle():
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in PRODUCT
    }
    graph = {
        name: {modules[m] for m in _imported(parse(path), modules) if modules[m] != name}
        for name, path in PRODUCT.items()
    }
    try:
        order = tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")
    assert set(order) == set(PRODUCT)


def _imported(tree: ast.Module, modules: dict) -> set[str]:
    """Our modules that are imported anywhere in a file; of `from a import b`, b where that is one.

    A package is run before each of its modules, and lists them in its __init__, so that is none.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (below & modules.keys()) or {node.module}
    return found & modules.keys()


def test_no_import_is_relative():
    wrong = [
        f"{name}:{node.lineno}: imports relatively"
        for name, path in PRODUCT.items()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert wrong == []


def test_tools_import_nothing_heavy_at_the_top():
    wrong = [
        f"{name}:{line}: imports {module} at the top"
        for name in TOOLS
        for line, module in imports_at_the_top(parse(PRODUCT[name]))
        if module.partition(".")[0] in HEAVY
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "module",
    [
        "export",
        "export.formats",
        "export.checks",
        "export.errors",
        "export.lanes",
        "export.report.file",
    ],
)
def test_what_lists_formats_and_checks_loads_no_framework(module):
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & FRAMEWORKS == set()


@pytest.mark.parametrize("tool", TOOLS)
def test_help_is_instant_from_anywhere(tool):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / tool), "--help"],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("usage: ")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert len(loaded) > 20 and loaded & HEAVY == set()
    # Processor time, which other processes do not lengthen much: it is a tenth of this.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_runs_as_a_module_and_can_be_imported(tool):
    module = tool.removesuffix(".py").replace("/", ".")
    for command in (["-m", module, "--help"], ["-c", f"import {module}, export.errors"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tool", TOOLS)
def test_help_tells_the_exit_statuses_and_the_command(tool):
    told = ast.get_docstring(parse(PRODUCT[tool])) or ""
    assert f"python {tool}" in told
    assert re.search(r"Exit\s+status: 0", told)


def test_no_tool_hides_a_module_of_the_standard_library():
    # A script's own folder comes first on sys.path, so tools/inspect.py would be `inspect`.
    assert [name for name in TOOLS if Path(name).stem in sys.stdlib_module_names] == []


def test_a_tool_named_like_a_package_takes_its_own_folder_off_the_path():
    wrong = [name for name in TOOLS if "sys.path[0] = " not in PRODUCT[name].read_text()]
    assert wrong == []


DANGEROUS = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "dill.loads", "torch.load",
    "marshal.load", "marshal.loads", "eval", "exec", "os.system", "shelve.open",
    "keras.config.enable_unsafe_deserialization", "yaml.load", "yaml.unsafe_load",
}  # fmt: skip


KERAS_PRIVATE = {
    "_call_has_training_arg", "_flatten_layers", "_functional", "_inbound_nodes", "_inputs_struct",
    "_keras_history", "_nodes_by_depth", "_run_through_graph", "_standardize_inputs",
}  # fmt: skip


def test_only_one_file_of_export_knows_private_names_of_keras():
    wrong = [
        f"{name}:{node.lineno}: reads {node.attr}"
        for name, path in PRODUCT.items()
        if name.startswith(("export/", "tools/")) and name != "export/skeleton/keras_graph.py"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr in KERAS_PRIVATE
    ]
    assert wrong == []


def test_nothing_runs_code_that_it_read():
    wrong = []
    for name, path in PRODUCT.items():
        for node in ast.walk(parse(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            told = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
            if called in DANGEROUS:
                wrong.append(f"{name}:{node.lineno}: calls {called}")
            if told.get("allow_pickle") == "True" or told.get("safe_mode") == "False":
                wrong.append(f"{name}:{node.lineno}: reads pickles")
            if told.get("shell") == "True":
                wrong.append(f"{name}:{node.lineno}: runs a shell")
        wrong += [
            f"{name}:{line}: imports {module}"
            for line, module in imports(parse(path))
            if module in ("pickle", "dill", "cloudpickle", "marshal", "shelve")
        ]
    assert wrong == []


def test_no_error_is_swallowed_without_a_reason():
    everything = re.compile(r"\b(BaseException|Exception)\b")
    wrong = []
    for name, path in PRODUCT.items():
        lines = path.read_text().splitlines()
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or everything.search(ast.unparse(node.type))
                silent = all(isinstance(step, (ast.Pass, ast.Continue)) for step in node.body)
                swallows = node.type is None or (broad and silent)
            else:
                called = ast.unparse(node) if isinstance(node, ast.Call) else ""
                swallows = re.match(r"(contextlib\.)?suppress\(", called) and everything.search(
                    called
                )
            if swallows and "#" not in "".join(lines[node.lineno - 2 : node.lineno]):
                wrong.append(f"{name}:{node.lineno}: swallows every exception")
    assert wrong == []


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_utils"}
    wrong = [name for name in (*PRODUCT, *TESTS) if drawers & set(Path(name).with_suffix("").parts)]
    assert wrong == []


def test_files_fit_in_a_head():
    lengths = {name: len(path.read_text().splitlines()) for name, path in PRODUCT.items()}
    assert [f"{name}: {n} lines" for name, n in lengths.items() if n > 350] == []
    lengths = {name: len(path.read_text().splitlines()) for name, path in TESTS.items()}
    assert [f"{name}: {n} lines" for name, n in lengths.items() if n > 500] == []


def test_functions_fit_on_a_screen():
    wrong = [
        f"{name}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, path in (PRODUCT | TESTS).items()
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno >= 60
    ]
    assert wrong == []


def test_functions_take_at_most_seven_parameters():
    wrong = []
    for name, path in PRODUCT.items():
        for node in ast.walk(parse(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                taken = [one for one in taken if one.arg not in ("self", "cls")]
                if len(taken) > 7:
                    wrong.append(f"{name}:{node.lineno}: {node.name} takes {len(taken)}")
    assert wrong == []


def test_no_dataclass_takes_more_than_four_fields_by_position():
    wrong = []
    for name, path in PRODUCT.items():
        for node in ast.walk(parse(path)):
            made = [ast.unparse(one) for one in getattr(node, "decorator_list", ())]
            if not isinstance(node, ast.ClassDef) or not any("dataclass" in one for one in made):
                continue
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
            kinds = [ast.unparse(one.annotation) for one in fields]
            first = kinds.index("KW_ONLY") if "KW_ONLY" in kinds else len(kinds)
            if first > 4 and not any("kw_only=True" in one for one in made):
                wrong.append(f"{name}:{node.lineno}: {node.name} takes {first}")
    assert wrong == []


def test_every_module_says_what_it_is():
    wrong = [name for name, path in PRODUCT.items() if not ast.get_docstring(parse(path))]
    assert wrong == []


def test_user_input_is_never_checked_by_assert():
    # `python -O` leaves asserts out, and an AssertionError tells a user nothing.
    wrong = [
        f"{name}:{node.lineno}: asserts"
        for name, path in PRODUCT.items()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Assert)
    ]
    assert wrong == []


def test_no_file_names_a_path_of_one_machine():
    private = re.compile(r"(?<![\w.:/}])/(?:home|Users|root|work|mnt)/\w|/tmp/\w|[A-Z]:\\Users")
    texts = [ROOT / name for name in ("README.md", "setup.cfg", "setup.py", "ruff.toml")]
    texts += [*(ROOT / "docs").rglob("*.md"), *PRODUCT.values(), *TESTS.values()]
    texts += [*(ROOT / "export").rglob("*.txt"), *(ROOT / "tests" / "golden").rglob("*.md")]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip()}"
        for path in texts
        if path != Path(__file__)
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if private.search(text)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", IN_LANE)
def test_what_runs_in_a_lane_is_python_3_9(name):
    tree = parse(PRODUCT[name], feature_version=(3, 9))
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":
            wrong += [node.lineno for word in node.keywords if word.arg == "strict"]
        elif isinstance(node, (ast.FunctionDef, ast.AnnAssign)):
            told = [node.returns] if isinstance(node, ast.FunctionDef) else [node.annotation]
            if isinstance(node, ast.FunctionDef):
                told += [
                    argument.annotation
                    for argument in ast.walk(node.args)
                    if hasattr(argument, "annotation")
                ]
            unions = (n for hint in told if hint for n in ast.walk(hint))
            wrong += [n.lineno for n in unions if isinstance(getattr(n, "op", None), ast.BitOr)]
        elif isinstance(node, ast.Match):
            wrong.append(node.lineno)
    assert [f"{name}:{line}: needs Python 3.10" for line in wrong] == []


@pytest.mark.parametrize("name", IN_LANE)
def test_what_runs_in_a_lane_imports_what_the_lane_has(name):
    has = {*sys.stdlib_module_names, "numpy", "child"} - {"tomllib"}
    pins = (ROOT / name).with_name("pins.txt")
    pinned = re.findall(r"^([\w-]+)==", pins.read_text() if pins.exists() else "", re.MULTILINE)
    has |= {"google" if package == "protobuf" else package.replace("-", "_") for package in pinned}
    has |= {path.stem for path in (ROOT / name).parent.glob("*.py")} if pinned else set()
    wrong = [
        f"{name}:{line}: imports {module}"
        for line, module in imports(parse(PRODUCT[name]))
        if module.partition(".")[0] not in has
    ]
    assert wrong == []


def test_there_are_scripts_that_run_in_a_lane():
    assert {"export/lanes/tf217/convert.py", "export/lanes/tf217/run.py"} <= set(IN_LANE)


def test_lanes_pin_exactly():
    lanes = [path.parent for path in (ROOT / "export" / "lanes").glob("*/__init__.py")]
    assert [lane.name for lane in lanes if not (lane / "pins.txt").exists()] == []
    for path in (ROOT / "export" / "lanes").glob("*/pins.txt"):
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        hashes = [line for line in lines if line.startswith("--hash=sha256:")]
        for line in filter(None, lines):
            bounded = "==" in line or re.search(r"<\d", line) or line in hashes
            assert bounded, f"{path.parent.name}: {line} is not bounded"
        # pip refuses a list in which only some have hashes, but not before it is used.
        whole = [not (line.endswith("\\") or line in hashes) for line in lines if "==" in line]
        assert not hashes or not any(whole), f"{path.parent.name}: a pin lacks its hashes"


def test_no_format_is_registered_twice():
    from export.formats import ALL, FORMATS

    assert len(FORMATS) == len(ALL)


def test_no_package_lies_below_tests():
    # An __init__.py in tests/export would hide `export` itself.
    assert [name for name in TESTS if name.endswith("__init__.py")] == []


def test_every_package_of_ours_is_shipped():
    setup = (ROOT / "setup.py").read_text()
    assert 'include=["keras_nets*", "export*"]), "keras_nets_tools"]' in setup
    holders = {
        Path(name).parent
        for name in PRODUCT
        if name.startswith(("keras_nets/", "export/", "tools/"))
    }
    assert [str(folder) for folder in holders if not (ROOT / folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_ends_in_one_line_and_takes_options_by_their_whole_names(tool):
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(parse(PRODUCT[tool]))
        if isinstance(node, ast.Call)
    ]
    assert "ending" in calls
    assert [name for name in calls if name.endswith("ArgumentParser")] == []


# What has the name of a format and is none, or measures the formats that it names.
NAMED = (
    ("export/report/file.py", "onnx"),  # packages
    ("export/report/file.py", "openvino"),
    ("export/runtimes/openvino.py", "openvino"),
    *(("tools/benchmark_export.py", n) for n in NAMES),
)
CUTS = ("startswith", "endswith", "removeprefix", "partition", "split")


def test_formats_are_known_by_what_they_declare_and_never_by_name():
    wrong = []
    for name, path in PRODUCT.items():
        if not name.startswith(("export/", "tools/")) or name.startswith("export/formats/"):
            continue
        for node in ast.walk(parse(path)):
            texts, known = [node], {*NAMES, TFTRT}
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in CUTS:
                texts = [one for part in node.args for one in ast.walk(part)]
                known = {named[:n] for named in NAMES for n in range(2, len(named) + 1)}
            found = {one.value for one in texts if isinstance(one, ast.Constant)} & known
            wrong += [
                f"{name}:{node.lineno}: {text!r}: ask the format, or take export/formats/names.py"
                for text in found
                if (name, text) not in NAMED
            ]
    assert wrong == []


def test_every_test_file_lies_where_its_module_lies():
    wrong = [
        name
        for name in TESTS
        if re.match(r"tests/(export|keras_nets|tools)/.*test_\w+\.py", name)
        and name not in ACROSS_MODULES
        and not set(modules_of(name)) & PRODUCT.keys()
    ]
    assert wrong == []
    assert TESTS.keys() >= ACROSS_MODULES
