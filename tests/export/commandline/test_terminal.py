"""What people see while an export runs, and what they do not."""

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.commandline.display import display
from export.commandline.terminal import print_reports, print_summary, print_unable, print_warnings
from export.errors import ExportError
from export.results import Check, Cost, Report, Status

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """\
import logging, os, sys
sys.path.insert(0, sys.argv[1])
from export.commandline.display import display
with display(verbose=sys.argv[2] == "verbose") as show:
    show("vgg13[/b]", "seeding weights [0]")
    show.bar("vgg13", 1_500_000, 3_000_000)
    show._live.is_started and show._live.refresh()
    logging.warning("chatter of a logger")
    print("chatter of a module", file=sys.stderr)
    os.write(2, b"chatter of a library\\n")
    show("vgg13", "pruning")
    show.bar("vgg13", 8, 8, "pictures, loss 0.500")
print("afterwards", file=sys.stderr)
"""


def run(stderr, verbosity="quiet"):
    command = [sys.executable, "-c", SCRIPT, str(ROOT), verbosity]
    return subprocess.Popen(command, stderr=stderr, env={**os.environ, "TERM": "xterm"})


def on_a_terminal() -> str:
    ours, theirs = pty.openpty()
    child = run(theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says EIO once the other end is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert child.wait() == 0
    return said.decode()


def on_a_pipe(verbosity="quiet") -> str:
    child = run(subprocess.PIPE, verbosity)
    said = child.communicate()[1].decode()
    assert child.returncode == 0
    return said


@pytest.mark.parametrize("seen", [on_a_terminal, on_a_pipe])
def test_progress_is_seen_and_the_chatter_of_libraries_is_not(seen):
    said = seen()
    assert "vgg13[/b]" in said
    assert "seeding weights [0]" in said
    assert "afterwards" in said
    assert "chatter" not in said


def test_a_terminal_shows_how_much_of_a_file_has_come():
    assert "1.5 of 3.0 MB" in on_a_terminal()


def test_a_step_leaves_its_last_amount_on_a_terminal_unless_that_is_bytes():
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", on_a_terminal()).splitlines()
    left = [line.split(" s ", 1)[1].split() for line in lines if line.startswith("   0.0 s")]
    assert " ".join(left[0]) == "vgg13[/b] seeding weights [0]"
    assert " ".join(left[1]) == "vgg13 pruning 8 of 8 pictures, loss 0.500"


def test_elsewhere_an_amount_is_a_line_when_it_is_whole(capfd):
    with display(verbose=False) as show:
        show("vgg13", "reading imagenet")
        show.bar("vgg13", 1e6, 3e6)
        show.bar("vgg13", 3e6, 3e6)
    said = capfd.readouterr().err
    assert "3.0 of 3.0 MB" in said
    assert "1.0 of 3.0 MB" not in said


def test_a_step_that_took_long_is_named_at_the_end(capfd, monkeypatch):
    now = iter([0, 0, 0, 5, 5, 5, 7, 7, 7, 7, 7, 7])
    monkeypatch.setattr("export.commandline.display.time.monotonic", lambda: next(now))
    with display(verbose=False) as show:
        show("toy", "loading TensorFlow")
        show("onnx", "writing")
    assert capfd.readouterr().err.splitlines()[-1].split("  ")[-1] == (
        "5 s loading TensorFlow, 2 s writing"
    )


def test_verbose_shows_the_chatter():
    assert on_a_pipe("verbose").count("chatter") == 3


def test_what_fails_as_the_display_starts_is_seen():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.modules['rich.live'] = None\n"
        "from export.commandline.display import display\n"
        "with display(verbose=False): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "rich.live" in done.stderr
    assert done.returncode == 1


def report_of(*checks, **changes) -> Report:
    content = {
        "model": "toy",
        "format": "onnx",
        "weights": {"source": "given", "sha256": "0"},
        "artifact": {"bytes": 3, "files": {}},
        "options": {},
        "cost": Cost(1.0, 1.0, 1),
        "environment": {},
        "folder": "exports/toy",
    }
    return Report(checks=checks, **{**content, **changes})


def told_of(check, capsys) -> str:
    print_reports([report_of(check)], as_json=False)
    return capsys.readouterr().out


def test_the_limit_is_left_out_where_measured_and_allowed_are_both_0(capsys):
    said = told_of(
        Check("weights", Status.PASSED, measured=0, allowed=0, unit="tensors", note="52 tensors"),
        capsys,
    )
    assert "weights     passed\n              52 tensors\n" in said
    said = told_of(
        Check(
            "weights", Status.FAILED, measured=2, allowed=0, unit="tensors", note="not the model's"
        ),
        capsys,
    )
    assert "weights     FAILED  2 tensors\n" in said
    said = told_of(
        Check(
            "contract",
            Status.FAILED,
            measured=1,
            allowed=0,
            unit="differences",
            note="image is int8",
        ),
        capsys,
    )
    assert "contract    FAILED  1 difference\n" in said


@pytest.mark.parametrize(
    ("fine", "shown"), [(None, range(20)), (0, range(4)), (10, range(7, 14)), (19, range(16, 20))]
)
def test_where_a_layer_differs_those_around_it_are_shown(capsys, fine, shown):
    layers = [
        {"name": f"layer{n}", "tensor": "t", "error": 1e-6, "allowed": 1e-5} for n in range(20)
    ]
    details = {"layers": layers} | ({} if fine is None else {"diverges": {"fine_before": fine}})
    said = told_of(
        Check("parity", Status.FAILED, measured=1e-2, allowed=1e-5, unit="std", details=details),
        capsys,
    )
    assert [f"layer{n}" for n in shown] == [w for w in said.split() if w.startswith("layer")]


def test_outputs_are_called_by_their_own_name(capsys):
    tensors = {"inputs": [{"name": "ids", "dtype": "int32", "shape": ["batch", None]}]}
    both = [{"name": name, "dtype": "float32", "shape": ["batch", 3]} for name in ("mood", "tone")]
    check = Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std")
    for outputs, word in ((both[:1], "mood"), (both, "outputs")):
        report = replace(report_of(check), contract={**tensors, "outputs": outputs})
        print_reports([report], as_json=False)
        print_summary([report])
        assert capsys.readouterr().out.count(f"standard deviations of the {word}") == 2


def test_names_and_folders_with_brackets_are_shown_as_they_are(capsys):
    report = report_of(
        Check("graph", Status.PASSED, measured=7, unit="transposes"),
        Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std"),
        model="toy[/b]",
        weights={"source": "weights[/i].npz", "sha256": "0" * 64},
        folder="exports[/b]/toy",
    )
    print_reports([report], as_json=False)
    said = capsys.readouterr().out
    assert "passed  7 transposes\n" in said
    assert "passed  1.0e-06 of 1.0e-04 standard deviations of the logits (std)\n" in said
    assert all(name in said for name in ("toy[/b]", "weights[/i].npz", "exports[/b]/toy"))


def test_units_are_spelt_out_where_they_are_first_met(capsys):
    parity = Check(
        "parity",
        Status.PASSED,
        measured=1e-6,
        allowed=1e-4,
        unit="std",
        note="leads by 1.0e-02 std",
    )
    engine = Check("engine", Status.PASSED, measured=1e-3, allowed=1e-2, unit="std")
    print_reports([report_of(parity, engine), report_of(parity)], as_json=False)
    said = capsys.readouterr().out
    assert said.count("standard deviations of the logits") == 1
    assert said.index("standard deviations") < said.index("leads by 1.0e-02 std")
    print_reports(
        [report_of(Check("graph", Status.PASSED, measured=1, allowed=1, unit="engines"))],
        as_json=False,
    )
    said = capsys.readouterr().out
    assert "graph       passed  1 of 1 engine\n" in said
    assert "standard deviations" not in said


def test_an_engine_that_was_not_run_is_named_beside_the_verdict_with_the_reason(capsys):
    engine = Check("engine", Status.SKIPPED, note="needs a GPU; find one")
    print_reports([report_of(engine, format="tftrt-fp16")], as_json=False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("verified except engine  needs a GPU; find one  exports/toy")
    passed = Check("engine", Status.PASSED, measured=1e-3, allowed=1e-2, unit="std")
    print_reports([report_of(passed, format="tftrt-fp16")], as_json=False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("verified  ")
    assert "except" not in last


def test_warnings_are_the_last_words_and_in_amber(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    warned = report_of(warnings=("random weights: for trying only",))
    print_warnings([warned, warned])
    said = capsys.readouterr().out
    assert said.count("random weights: for trying only") == 1, "not for each artifact"
    assert "\x1b[33mrandom weights" in said


def test_a_table_of_many_says_its_unit_and_each_reason_once(capsys):
    parity = Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std")
    engine = Check("engine", Status.SKIPPED, note="needs a GPU; find one")
    wrong = Check(
        "parity",
        Status.FAILED,
        measured=2.0,
        allowed=1e-4,
        unit="std",
        note="top-1 equal on 1 of 8",
    )
    print_summary(
        [
            report_of(parity),
            report_of(parity, engine, format="tftrt-fp32"),
            report_of(parity, engine, format="tftrt-fp16"),
            report_of(wrong, format="savedmodel"),
        ]
    )
    said = capsys.readouterr().out
    assert said.count("standard deviations of the logits") == 1
    assert said.count("verified except engine  needs a GPU; find one") == 1
    assert "NOT verified  toy savedmodel: parity: top-1 equal on 1 of 8" in said


def test_two_of_one_name_are_told_apart_by_their_folders(capsys):
    good = Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std")
    wrong = Check("parity", Status.FAILED, measured=2.0, allowed=1e-4, unit="std", note="far off")
    print_summary([report_of(good, folder="a/onnx"), report_of(wrong, folder="b/[x]/onnx")])
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.startswith("toy ")]
    assert [row[-4:-3] or row for row in rows] == [["a/onnx"], ["b/[x]/onnx"]]
    assert "NOT verified  b/[x]/onnx: parity: far off" in said


def test_no_folder_stands_beside_names_that_differ(capsys):
    good = Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std")
    print_summary([report_of(good), report_of(good, format="savedmodel", folder="b/x")])
    assert "folder" not in capsys.readouterr().out


def test_what_could_not_be_made_is_a_line_for_each_reason(capsys):
    same = "it takes\nno text"
    print_unable({"onnx": ValueError(same), "litert": ExportError("no"), "x": ExportError(same)})
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: onnx, x: it takes no text", "error: litert: no"]


def seen_on_a_terminal_of(width: int, report: Report, show=None) -> list[str]:
    """The lines that a terminal of `width` columns is given, without colours."""
    from io import StringIO

    from rich import console as rich_console
    from rich.text import Text

    file, original = StringIO(), rich_console.Console

    def console(**options):
        return original(**{"file": file, "force_terminal": True, "width": width} | options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rich_console, "Console", console)
        show([report]) if show else print_reports([report], as_json=False)
    return [Text.from_ansi(line).plain.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 40])
def test_lines_are_broken_between_words_and_go_on_below_themselves(width):
    note = "top-1 equal on 8 of 8, classes that lead by enough; 8 times the noise is allowed here"
    lines = seen_on_a_terminal_of(
        width,
        report_of(
            Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std", note=note)
        ),
    )
    assert all(len(line) <= width for line in lines)
    shown = " ".join(line.strip() for line in lines)
    assert note in shown, "no word is cut"
    begun = next(number for number, line in enumerate(lines) if "top-1" in line)
    assert lines[begun].startswith(" " * 14 + "top-1")
    assert lines[begun + 1].startswith(" " * 14)


@pytest.mark.parametrize("width", [80, 40])
def test_a_table_of_many_breaks_no_word(width):
    checks = (
        Check("parity", Status.PASSED, measured=1e-6, allowed=1e-4, unit="std"),
        Check("engine", Status.SKIPPED),
    )
    report = report_of(*checks, format="tftrt-fp16", model="squeezenet1_1")
    lines = seen_on_a_terminal_of(width, report, print_summary)
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert {"squeezenet1_1", "tftrt-fp16", "verified", "1.0e-06", "parity"} <= set(words)


def test_details_of_a_check_that_passed_are_folded_and_those_of_others_are_not(capsys):
    report = report_of(
        Check("weights", Status.PASSED, measured=0, allowed=0, unit="tensors", note="52 tensors"),
        Check("engine", Status.SKIPPED, note="needs a GPU"),
        Check(
            "parity",
            Status.FAILED,
            measured=1e-2,
            allowed=1e-4,
            unit="std",
            note="differs from conv1 on",
        ),
    )
    print_reports([report], as_json=False, details=False)
    said = capsys.readouterr().out
    assert "52 tensors" not in said
    assert "needs a GPU" in said and "differs from conv1 on" in said
