"""What TensorFlow is told about itself, and what it is kept from saying."""

import logging
import os

import pytest

import export
from export.tensorflow_settings import LEAN, QUIET, quiet_tensorflow, warnings_hidden


@pytest.fixture
def logger():
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield logger
    logger.setLevel(before)


def test_warnings_are_hidden_only_meanwhile(logger):
    with warnings_hidden():
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    assert logger.isEnabledFor(logging.WARNING)


def test_a_level_of_the_users_stays(logger):
    logger.setLevel(logging.INFO)
    with warnings_hidden():
        assert logger.level == logging.INFO


def test_settings_of_the_users_stay(monkeypatch):
    for name in (*QUIET, *LEAN):
        monkeypatch.setenv(name, "mine")
    quiet_tensorflow()
    assert export.export_model
    assert {os.environ[name] for name in (*QUIET, *LEAN)} == {"mine"}


def test_asking_for_the_export_has_tensorflow_quiet_and_leaves_its_arithmetic_alone(monkeypatch):
    for name in (*QUIET, *LEAN):
        monkeypatch.delenv(name, raising=False)
    assert export.export_model
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ
