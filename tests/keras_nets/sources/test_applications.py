"""`--model keras.applications:Name`."""

import pytest

from keras_nets import sources
from keras_nets.errors import SourceError


def test_a_network_is_built_without_weights_and_with_logits():
    loaded = sources.load("keras.applications:MobileNet", {"classes": 10, "alpha": 0.25})
    assert loaded.model.output_shape == (None, 10)
    assert loaded.model.layers[-1].activation.__name__ == "linear"
    assert not loaded.weights  # they are to be seeded
    assert loaded.source.as_dict() == {
        "kind": "function",
        "source": "keras.applications:MobileNet",
        "arguments": {"classes": 10, "alpha": 0.25},
        "sha256": "",
    }


def test_what_an_argument_asks_for_goes_before_our_defaults():
    asked = {"classes": 10, "alpha": 0.25, "classifier_activation": "softmax"}
    loaded = sources.load("keras.applications:mobilenet", asked)
    assert loaded.model.layers[-1].activation.__name__ == "softmax"


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("MobileNetV9", {}, "has no network 'MobileNetV9'; did you mean MobileNetV2"),
        ("nonsense", {}, "has no network 'nonsense'; it has ConvNeXtBase"),
        ("MobileNet", {"depth": 3}, "unexpected keyword argument 'depth'; it takes"),
        (
            "MobileNet",
            {"input_shape": (8, 8, 3)},
            "ValueError: Input size must be at least",
        ),
        ("MobileNet", {"weights": "no_such_file.h5"}, "ValueError: The `weights` argument"),
    ],
)
def test_what_gives_no_network_is_one_line(name, arguments, line):
    with pytest.raises(SourceError) as caught:
        sources.load(f"keras.applications:{name}", arguments)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_cannot_be_fetched_say_where_to_find_some(monkeypatch):
    def fail(*args, **options):
        raise OSError("URL fetch failure on https://somewhere: no network")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    with pytest.raises(SourceError, match="no network.*name a file with --model-arg weights=FILE"):
        sources.load("keras.applications:MobileNet", {"weights": "imagenet"})
