"""What is said before TF-TRT is asked, because no engine ever holds it."""

import keras
import pytest
from keras import layers

from export import ExportError, export_model
from export.formats import find_format
from export.formats.tftrt.untaken import untaken
from export.skeleton.full_precision import in_full_precision
from export.skeleton.tracing import trace
from keras_nets import sources
from keras_nets.zoo.listing import TFTRT, find


def model_of(name: str):
    (architecture,) = find([name])
    return sources.load(architecture.words, architecture.built_with()).model


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("lstm_text", "takes no loop into an engine, and lstm_text has one at lstm/"),
        ("transformer_text", "takes no causal mask into an engine"),
        ("augmented", "takes no bilinear resizing into an engine"),
        ("integer_lookup", "takes no look-up into an engine"),
    ],
)
def test_what_no_engine_holds_is_named_with_what_to_do(name, what):
    said = untaken(trace(model_of(name)))
    assert what in said and said.endswith("or accept an engine for a part with --partial-engines")


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (layers.DepthwiseConv2D(3, dilation_rate=(1, 2)), "no depthwise convolution with unequal"),
        (layers.UpSampling2D(interpolation="bilinear"), "no bilinear resizing into an engine"),
    ],
)
def test_what_cannot_be_written_in_another_way_is_named(layer, what):
    inputs = keras.Input((8, 8, 3))
    assert what in untaken(trace(keras.Model(inputs, layer(inputs))))


def test_a_transposed_convolution_of_a_film_is_named():
    inputs = keras.Input((4, 4, 4, 3))
    model = keras.Model(inputs, layers.Conv3DTranspose(5, 3)(inputs))
    assert "no transposed convolution of three axes into an engine" in untaken(trace(model))


ONE = ("convmixer", "mlp_mixer", "each_frame", "two_inputs", "dilated_depthwise")


@pytest.mark.parametrize("name", ONE)
def test_what_one_engine_holds_is_not(name):
    assert untaken(trace(in_full_precision(model_of(name))[0])) == ""


def test_it_is_refused_before_any_work_unless_a_part_is_enough(tmp_path, monkeypatch):
    from export.gate.examine import GateOptions
    from export.pipeline import Export, Options

    model, format = model_of("lstm_text"), find_format(TFTRT)
    monkeypatch.setattr("export.exporting.make_lane", lambda *_: None)
    with pytest.raises(ExportError, match="takes no loop into an engine"):
        export_model(model, [TFTRT], tmp_path)
    assert list(tmp_path.rglob("*.pb")) == []
    asked = []
    monkeypatch.setattr(type(format), "write", lambda _, order: asked.append(order) or 1 / 0)
    options = Options(wish=GateOptions(partial_engines=True))
    with pytest.raises(ZeroDivisionError), Export(tmp_path, [TFTRT]) as export:
        export.write(model, options=options)
    assert len(asked) == 1
