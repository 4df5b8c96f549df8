"""What a report says beside its checks."""

from dataclasses import replace
from types import SimpleNamespace

from export.options import Options
from export.report.entries import RANDOM_WEIGHTS, warnings_of, weights_entry
from export.results import Check, Status

PASSED = Check("weights", Status.PASSED)


def model(*warnings):
    return SimpleNamespace(warnings=warnings)


def test_seeded_weights_are_a_warning():
    assert warnings_of("seeded:0", model(), [PASSED]) == ("random weights: for trying only",)
    assert warnings_of("vgg13.pdparams", model(), [PASSED]) == ()


def test_what_the_model_itself_warns_of_is_handed_on_and_said_once():
    found = warnings_of("seeded:0", model("pixels of 0..255", "pixels of 0..255"), [PASSED])
    assert found == (RANDOM_WEIGHTS, "pixels of 0..255")


def test_weights_that_could_not_be_compared_are_a_warning():
    skipped = Check("weights", Status.SKIPPED, note="3 of 4 found")
    assert warnings_of("given", model(), [skipped]) == ("weights not compared: 3 of 4 found",)
    other = Check("engine", Status.SKIPPED, note="needs a GPU")
    assert warnings_of("given", model(), [PASSED, other]) == (), "the verdict says that one"


def test_the_weights_entry_holds_what_is_known():
    options = Options(
        weights_source="a.pth", weights_file_sha256="12", weights_note="taken from 'a'"
    )
    entry = weights_entry(options, SimpleNamespace(sha256="ab"))
    assert entry == {
        "source": "a.pth",
        "sha256": "ab",
        "file_sha256": "12",
        "note": "taken from 'a'",
    }
    unknown = weights_entry(Options(), SimpleNamespace(sha256="ab"))
    assert unknown == {"source": "given", "sha256": "ab"}


def graph_of(note, **details):
    return Check("graph", Status.PASSED, note=note, details=details)


def test_engines_for_a_part_and_of_a_form_that_nobody_saw_run_are_told():
    part = graph_of(
        "2 engines instead of one, 75.0 % of the MACs inside", batch="implicit", share=0.75
    )
    assert warnings_of("given", model(), [part]) == (
        f"TensorRT runs a part of the network: {part.note}",
    )
    whole = graph_of("outside the engine: nothing; explicit batch, unseen", batch="explicit")
    assert warnings_of("given", model(), [whole]) == ("the engine has explicit batch, unseen",)
    usual = graph_of("outside the engine: nothing", batch="implicit")
    assert warnings_of("given", model(), [usual]) == ()
    failed = replace(part, status=Status.FAILED)
    assert warnings_of("given", model(), [failed]) == (), "the verdict says that one"
