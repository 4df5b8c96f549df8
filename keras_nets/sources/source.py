"""What is asked for as a model, what it gave, and what a report keeps of that."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from keras_nets.errors import SourceError

LONGEST = 1 << 16  # pixels of a side
MOST = 1000  # characters of a text that a report keeps, and entries of its lists


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The words of `--model` and of the options beside it."""

    words: str
    arguments: dict = field(default_factory=dict)  # of the function that builds the model
    custom_objects: tuple[str, ...] = ()  # modules that register classes
    allow_unsafe: bool = False  # run code that a file holds
    seed: int = 0  # of weights that a function draws
    size: tuple[int, int] | None = None  # height and width, of a model that leaves them free


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """How to build a model again: `model_source` in report.json."""

    kind: str  # NAME of the kind: "catalog", "keras-file", "function" or "savedmodel"
    source: str  # the words of --model
    arguments: Mapping = field(default_factory=dict)
    custom_objects: tuple[str, ...] = ()
    sha256: str = ""  # of the file, or of the function's module
    size: tuple[int, int] | None = None  # height and width, where the model left them free

    def as_dict(self) -> dict:
        """What report.json holds."""
        content = {
            "kind": self.kind,
            "source": self.source,
            "arguments": json.loads(json.dumps(dict(self.arguments))),
            "sha256": self.sha256,
        }
        if self.custom_objects:
            content["custom_objects"] = list(self.custom_objects)
        if self.size:
            content["size"] = list(self.size)
        return content

    @classmethod
    def of(cls, content: Mapping) -> "ModelSource":
        """Read what a report holds; SourceError where it is not of this form."""
        texts = [content.get(name) for name in ("kind", "source", "sha256")]
        arguments = content.get("arguments", {})
        modules = content.get("custom_objects", [])
        if (
            not all(isinstance(text, str) and len(text) <= MOST for text in texts)
            or not isinstance(arguments, dict)
            or not all(name.isidentifier() for name in arguments)
            or not isinstance(modules, list)
            or not all(isinstance(name, str) for name in modules)
            or not _is_size(content.get("size"))
        ):
            raise SourceError(
                "the report's model_source is damaged; name the model with --model, or export anew"
            )
        return cls(
            kind=texts[0],
            source=texts[1],
            arguments=arguments,
            custom_objects=tuple(modules),
            sha256=texts[2],
            size=tuple(content["size"]) if content.get("size") else None,
        )


def _is_size(size) -> bool:
    """Whether a report can hold this as a height and a width."""
    if size is None:
        return True
    whole = isinstance(size, list) and all(isinstance(side, int) for side in size)
    return whole and len(size) == 2 and all(0 < side <= LONGEST for side in size)


@dataclass(frozen=True)
class Loaded:
    """A Keras model and where it is from.

    `weights` says where its weights are from; it is empty for a model that still has to be given
    some. `note` is a sentence for the user, or empty.
    """

    model: object  # keras.Model
    source: ModelSource
    weights: str = ""
    note: str = ""
