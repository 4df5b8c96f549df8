"""The command line of export: what it refuses, what it prints, and what it leaves behind."""

import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.formats import FORMATS
from keras_nets import sources
from keras_nets.catalog import NETS
from tools import export, verify

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "export.py"
SMALL = ["--image-size", "64", "--classes", "10"]


def run(*arguments, cwd=ROOT, **options):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, **options
    )  # fmt: skip


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(capsys, *arguments) -> str:
    """The line on stderr of a command that exits with 2."""
    with pytest.raises(SystemExit) as ended:
        export.main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    return told.err


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small SqueezeNet as SavedModel and ONNX, by the command line: its folder and its output."""
    out = tmp_path_factory.mktemp("exports")
    formats = ["--format", "savedmodel", "--format", "onnx"]
    command = ["--model", "squeezenet1_1", *formats, *SMALL, "--out", out, "--json"]
    return out, run(*command, cwd=tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("tool", ["export", "verify", "doctor"])
@pytest.mark.parametrize("folder", ["/", ROOT, ROOT / "tools"], ids=["/", "root", "tools"])
def test_help_is_instant_and_loads_nothing_heavy_from_any_folder(tool, folder):
    """Measured by the processor, so that a busy machine does not fail it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "tools" / f"{tool}.py", "--help"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.startswith("usage:")
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "argparse" in imported, "the list of imports was read"
    assert not imported & {"numpy", "tensorflow", "keras", "onnx", "rich", "psutil"}
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_names_every_network_and_format():
    told = " ".join(run("--help").stdout.split())
    assert all(name in told for name in (*NETS, *FORMATS))


def test_an_unknown_network_is_told_the_known_ones(capsys):
    told = refused(capsys, "--model", "vgg12", "--format", "onnx")
    assert told.startswith("error: no network is called 'vgg12'; did you mean vgg")
    assert f"? the catalog has {', '.join(NETS)}; or name a .keras or .h5 file, pack" in told


def test_an_unknown_format_is_told_the_known_ones(capsys):
    told = refused(capsys, "--model", "vgg13", "--format", "tflite")
    assert told == f"error: no format is called 'tflite'; known are {', '.join(FORMATS)}\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch-sizes", "0"),
        ("--batch-sizes", "1,-4"),
        ("--batch-sizes", "one"),
        ("--batch-sizes", ""),
        ("--image-size", "0"),
        ("--image-size", "x"),
        ("--image-size", "64x"),
        ("--image-size", "-64"),
        ("--image-size", "64x64x3"),
        ("--image-size", "8"),
        ("--classes", "0"),
        ("--classes", "1"),
        ("--classes", "many"),
        ("--seed", "-1"),
        ("--seed", "4294967296"),
        ("--seed", "x"),
        ("--weights", "no/such/file.h5"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(capsys, tmp_path, option, value):
    out = tmp_path / "exports"
    told = refused(
        capsys, "--model", "squeezenet1_1", "--format", "onnx", f"{option}={value}", "--out", out
    )
    assert "error: " in told
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert value in last or "from 1 up" in last or "between 0 and 2**32 - 1" in last
    assert not list(tmp_path.rglob("model.onnx"))


MISTAKES = """\
--model vgg12
--format onx
--classes 1
--classes 1000001
--image-size 8
--seed -1
--batch-sizes 0,4
--weights {file}
--weights {place}
--weights {place}/none.pth
--weights imagenet:nobody
--images {file}
--images {place}/none
--images {place}
--labels {place}
--labels {file}
--out {file}
--out /proc/exports
--image-size 64x70 --images {place}
--imag {place}
"""
CHEAP = """\
import json, sys, time
from tools import export, verify
for mistake in json.loads(sys.argv[1]):
    since = time.process_time()
    try:
        export.main(["--model", "squeezenet1_1", "--format", "onnx", *mistake])
    except SystemExit as ended:
        assert ended.code == 2, mistake
    else:
        raise AssertionError(f"{mistake} went through")
    print(time.process_time() - since)
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


def test_cheap_mistakes_are_told_before_tensorflow_loads(tmp_path):
    """Measured by the processor, so that a busy machine does not fail it."""
    (tmp_path / "file.txt").write_text("a cat\n")
    names = {"place": tmp_path, "file": tmp_path / "file.txt"}
    mistakes = [line.format(**names).split() for line in MISTAKES.splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", CHEAP, json.dumps(mistakes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # 0.3 s is what is wanted; a loaded machine counts more, and TensorFlow takes 3.
    assert max(map(float, done.stdout.split())) < 1
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "file.txt"]


def test_several_networks_are_each_exported_with_what_was_asked(monkeypatch, capsys, tmp_path):
    ran = []

    def run(command, patience):
        ran.append(command[2:])
        return 1, b""

    monkeypatch.setattr("export.process.output_of", run)
    asked = ["--format=ONNX", "--seed", "7", "--labels", str(tmp_path / "my labels.txt")]
    (tmp_path / "my labels.txt").write_text("cat\n")
    models = ["--model=VGG11", "--model", "alexnet"]
    assert export.main([*models, *asked, "--strict", "--json"]) == 1
    assert ran == [[*asked, "--strict", "--json", "--model", name] for name in ("vgg11", "alexnet")]


def test_a_place_that_no_export_made_is_told_before_tensorflow_loads(capsys, tmp_path):
    (tmp_path / "alexnet" / "onnx").mkdir(parents=True)
    (tmp_path / "alexnet" / "onnx" / "thesis.txt").write_text("two years of work")
    with pytest.raises(SystemExit) as ended:
        export.main(["--model", "alexnet", "--format", "onnx", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "onnx holds thesis.txt, and no report.json of this toolkit" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["--model", "--format"])
def test_what_to_export_must_be_said(capsys, missing):
    given = {"--model": "vgg13", "--format": "onnx"}
    del given[missing]
    assert missing in refused(capsys, *next(iter(given.items())))


NETS_OF_A_USER = """
import keras


def net(classes=4, side=16):
    image = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes)(x), name="own_net")
"""


@pytest.fixture
def here(tmp_path, monkeypatch, toy):
    """A folder to be in, with a module and a file of a model."""
    (tmp_path / "nets_to_export.py").write_text(NETS_OF_A_USER)
    toy("plain").save(tmp_path / "plain.keras")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("nets_to_export", None)


SMALL_MOBILENET = ["--model-arg", "classes=10", "--model-arg", "input_shape=(32,32,3)"]


@pytest.mark.parametrize(
    ("words", "options", "folder", "weights", "source"),
    [
        ("plain.keras", [], "plain", "plain.keras", {"kind": "keras-file"}),
        ("plain.keras", ["--name", "My net"], "My-net", "plain.keras", {"kind": "keras-file"}),
        (
            "nets_to_export:net",
            ["--model-arg", "classes=3"],
            "own_net",
            "nets_to_export:net",
            {"kind": "function", "arguments": {"classes": 3}},
        ),
        (
            "keras.applications:MobileNet",
            [*SMALL_MOBILENET, "--model-arg", "alpha=0.25"],
            "mobilenet_0.25_32",
            "seeded:7",
            {
                "kind": "function",
                "arguments": {"classes": 10, "input_shape": [32, 32, 3], "alpha": 0.25},
                "sha256": "",
            },
        ),
        (
            "vgg11",
            ["--image-size", "32", "--classes", "3", "--name", "renamed"],
            "renamed",
            "seeded:7",
            {
                "kind": "catalog",
                "arguments": {"classes": 3, "image": [32, 32, 3], "flavour": "paddle"},
            },
        ),
    ],
    ids=["file", "name", "function", "application", "catalog"],
)
def test_any_model_is_exported_and_verified_again_without_a_word_on_it(
    here, capsys, words, options, folder, weights, source
):
    command = ["--model", words, *options, "--format", "onnx", "--seed", "7", "--json"]
    assert export.main(command) == 0
    written = json.loads((here / "exports" / folder / "onnx" / "report.json").read_text())
    assert (written["model"], written["weights"]["source"]) == (folder, weights)
    assert written["model_source"] == written["model_source"] | {"source": words} | source
    assert ("random weights: for trying only" in written["warnings"]) == (weights == "seeded:7")
    assert verify.main([str(here / "exports"), "--no-self-test"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_format_that_a_model_does_not_go_into_is_a_line_and_the_other_is_made(here, capsys):
    command = ["--model", "nets_to_export:net", "--model-arg", "side=None", "--json"]
    assert export.main([*command, "--format", "tftrt-fp16", "--format", "onnx"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["format"] == "onnx"
    assert (here / "exports" / "own_net" / "onnx" / "report.json").exists()
    line = said.err.splitlines()[-1]
    assert line.startswith("error: tftrt-fp16: own_net does not go into tftrt-fp16: its engine")
    assert line.endswith("has a free axis height; give it a fixed size, as --image-size does")


def test_weights_of_a_file_fill_the_model_of_a_function(here, capsys):
    model = sources.load("nets_to_export:net").model
    model.layers[-1].bias.assign([1.0, 2.0, 3.0, 4.0])
    model.save_weights("own.weights.h5")
    command = ["--model", "nets_to_export:net", "--weights", "own.weights.h5", "--format", "onnx"]
    assert export.main(command) == 0
    written = json.loads(Path("exports/own_net/onnx/report.json").read_text())
    assert written["weights"]["source"] == "own.weights.h5"
    assert len(written["weights"]["file_sha256"]) == 64
    assert verify.main(["exports", "--no-self-test"]) == 0
    capsys.readouterr()
    Path("own.weights.h5").unlink()
    with pytest.raises(SystemExit) as ended:
        verify.main(["exports/own_net/onnx", "--no-self-test"])
    assert ended.value.code == 2
    assert "--weights own.weights.h5 is not there" in capsys.readouterr().err


def test_a_file_that_has_changed_since_the_export_is_told(here, toy, capsys):
    assert export.main(["--model", "plain.keras", "--format", "onnx"]) == 0
    toy("odd").save("plain.keras")
    with pytest.raises(SystemExit) as ended:
        verify.main(["exports/plain/onnx"])
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "plain.keras has changed since the export: its sha256 is" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--model", "none.keras"], "--model none.keras is not there; name a .keras or .h5 file"),
        (["--model", "plan.keras"], "did you mean plain.keras?"),
        (["--model", "."], ". is a folder"),
        (["--model", "plain.keras", "--model-arg", "x=1"], "is a file and takes no --model-arg"),
        (["--model", "plain.keras", "--classes", "5"], "--classes is for networks of the catalog"),
        (
            ["--model", "plain.keras", "--images", "."],
            "--images takes pictures, and how they become",
        ),
        (["--model", "plain.keras", "--weights", "plain.npz"], "--weights plain.npz is not there"),
        (["--model", "plain.keras", "--name", "/"], "'/' cannot name a folder"),
        (["--model", "vgg11", "--model-arg", "x=1"], "--model-arg is for functions; vgg11 takes"),
        (["--model", "vgg11", "--model", "alexnet", "--name", "x"], "are for one model; export"),
        (["--model", "nets_to_export:net", "--model-arg", "x"], "'x' is no KEY=VALUE"),
        (["--model", "nets_to_export:nett"], "has no 'nett'; did you mean net?"),
        (["--model", "no_such_module:net"], "there is no module 'no_such_module'; run this in"),
        (["--model", "keras.applications:ResNet5"], "has no network 'ResNet5'; did you mean"),
    ],
)
def test_what_gives_no_model_is_one_line_and_leaves_nothing(here, capsys, arguments, line):
    told = refused(capsys, *arguments, "--format", "onnx").splitlines()[-1]
    assert told.startswith("error: ") and line in told
    assert not (here / "exports").exists()


def test_a_verified_export_exits_with_0(exported):
    out, done = exported
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"squeezenet1_1"}
    assert {path.name for path in (out / "squeezenet1_1").iterdir()} == {"savedmodel", "onnx"}


def test_stdout_is_one_json_object_a_line(exported):
    out, done = exported
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["format"] for report in reports] == ["savedmodel", "onnx"]
    for report in reports:
        assert list(report) == [
            "schema", "model", "format", "passed", "verdict", "warnings", "created",
            "model_source", "weights", "options", "contract", "artifact", "checks", "cost",
            "environment", "command",
        ]  # fmt: skip
        folder = out / report["model"] / report["format"]
        assert report == json.loads((folder / "report.json").read_text())
        assert (report["schema"], report["passed"]) == (2, True)
        assert report["weights"]["source"] == "seeded:0"
        assert report["options"]["image"] == [64, 64, 3]
        assert report["command"][:2] == ["python", "tools/export.py"]


def test_stderr_holds_the_stages_and_nothing_of_what_libraries_say(exported):
    _, done = exported
    assert "tracing the network" in done.stderr
    for line in done.stderr.splitlines():
        assert line.split()[1:2] == ["s"], f"no stage: {line!r}"


def test_a_table_for_people_stands_on_stdout(capsys, tmp_path):
    command = ["--model", "squeezenet1_1", "--format", "onnx", *SMALL, "--out", str(tmp_path)]
    assert export.main(command) == 0
    told = capsys.readouterr().out
    assert "parity" in told
    assert "verified" in told
    assert f"{tmp_path}/squeezenet1_1/onnx" in told
    assert "seeded:0" in told


AGAIN = ["--model", "squeezenet1_1", "--format", "onnx", *SMALL]


@pytest.mark.parametrize("stage", ["loading TensorFlow", "writing", "verifying"])
def test_an_interrupt_exits_with_130_and_leaves_the_old_artifact(exported, tmp_path, stage):
    out = copy(exported[0], tmp_path)
    before = contents(out)
    child = subprocess.Popen(
        [sys.executable, str(TOOL), *AGAIN, "--out", str(out), "--seed", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for line in child.stderr:
        if stage in line:
            break
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate()
    assert (child.returncode, stdout) == (130, "")
    assert stderr.endswith("interrupted; artifacts that were there before are as they were\n")
    assert "Traceback" not in stderr
    assert contents(out) == before
    assert {path.name for path in out.iterdir()} == {"squeezenet1_1"}


def copy(folder, tmp_path) -> Path:
    return shutil.copytree(folder, tmp_path / "exports")


def test_a_file_that_cannot_grow_exits_with_2_and_leaves_the_old_artifact(exported, tmp_path):
    """As on a full disk: every write beyond a megabyte fails."""
    out = copy(exported[0], tmp_path)
    before = contents(out)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = run(
        "--model", "squeezenet1_1", "--format", "savedmodel", *SMALL, "--out", out, preexec_fn=limit
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert contents(out) == before
    assert {path.name for path in out.iterdir()} == {"squeezenet1_1"}


def test_a_killed_export_leaves_the_old_artifact_and_the_next_one_cleans_up(exported, tmp_path):
    out = copy(exported[0], tmp_path)
    before = contents(out / "squeezenet1_1")
    child = subprocess.Popen(
        [sys.executable, str(TOOL), *AGAIN, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for line in child.stderr:
        if "writing" in line:
            break
    child.kill()
    child.communicate()
    assert (out / ".staging").exists(), "it was killed before it was done"
    assert contents(out / "squeezenet1_1") == before
    assert export.main([*AGAIN, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"squeezenet1_1"}


def test_an_out_that_cannot_be_written_exits_with_2(capsys, tmp_path):
    (tmp_path / "file").write_text("the user's")
    told = refused(
        capsys, "--model", "squeezenet1_1", "--format", "onnx", *SMALL, "--out", tmp_path / "file"
    )
    assert told.splitlines()[-1].endswith("choose another --out")
    assert (tmp_path / "file").read_text() == "the user's"


def test_pictures_that_do_not_become_images_exit_with_2_and_nothing_is_left(capfd, tmp_path):
    command = ["--model", "squeezenet1_1", "--format", "onnx", "--image-size", "64x70"]
    with pytest.raises(SystemExit) as ended:
        export.main([*command, "--images", str(tmp_path), "--out", str(tmp_path / "exports")])
    assert ended.value.code == 2
    assert "takes images 64x70x3; pictures are cropped square" in capfd.readouterr().err
    assert not (tmp_path / "exports").exists()


def test_a_lane_that_cannot_exist_exits_with_2_and_the_reason(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_NETS_LANES", str(tmp_path / "file" / "lanes"))
    out = tmp_path / "exports"
    told = refused(
        capsys, "--model", "squeezenet1_1", "--format", "tftrt-fp16", *SMALL, "--out", out
    )
    assert told.splitlines()[-1].startswith("error: the lane tf217 ")
    assert "Traceback" not in told
    assert not out.exists()
