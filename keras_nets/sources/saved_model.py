"""`--model saved_model_dir`: not yet."""

from pathlib import Path

from keras_nets.errors import SourceError
from keras_nets.sources.source import Asked, Loaded

NAME = "savedmodel"


def fits(words: str) -> bool:
    return Path(words).is_dir()


def check(words: str) -> None:
    raise SourceError(f"{words} is a folder; SavedModels cannot be exported yet")


def load(asked: Asked) -> Loaded:
    raise SourceError(f"{asked.words} is a folder; SavedModels cannot be exported yet")
