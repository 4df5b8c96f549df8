"""The object of a verification: it keeps no model, and it ends what it began."""

import gc
import threading
import weakref

import keras
import pytest

from export.errors import ArtifactError
from export.verifying import Verification


def samplers() -> int:
    return sum(thread.name.endswith("(_watch)") for thread in threading.enumerate())


def test_nothing_in_a_verification_keeps_the_model_when_it_judges(here, toy, export_toy):
    folder = export_toy("plain", "onnx").folder
    model = keras.models.clone_model(toy("plain"))
    model.set_weights(toy("plain").get_weights())
    alive = weakref.ref(model)
    gc.collect()
    before = samplers()
    with Verification(folder) as verification:
        verification.observe(model)
        del model
        gc.collect()
        assert alive() is None
        assert verification.judge().passed
    assert samplers() == before


def test_a_folder_without_a_report_is_told_before_any_model_is_built(tmp_path):
    with pytest.raises(ArtifactError, match="has no report.json"), Verification(tmp_path):
        pytest.fail("it was entered")


def test_judging_before_observing_says_what_to_call_first(export_toy):
    folder = export_toy("plain", "onnx").folder
    with Verification(folder) as verification, pytest.raises(ValueError, match="call observe"):
        verification.judge()
