"""Networks that are narrow while the pass runs, and wide in the artifact."""

import keras
import pytest
from keras import layers

from export.formats import FORMATS
from export.formats.base import Order
from export.formats.tftrt import MODEL, TfTrt, narrowing
from export.formats.tftrt.narrowing import WIDTH, narrowed, widen
from export.formats.tftrt.preparation import prepare
from export.formats.tftrt.stand_ins import shape_of, stand_ins, value_of
from export.skeleton.graph import copied
from export.skeleton.tracing import trace


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(narrowing, "WORTH", 0)


def model_of(*steps):
    x = image = keras.Input((6, 6, 3), name="image")
    for step in (layers.Flatten(), *steps):
        x = step(x)
    return keras.Model(image, x, name="model")


def shapes_of(model) -> dict[str, tuple[int, ...]]:
    """The narrower shapes of weights, by Keras' names."""
    skeleton = trace(model)
    prepared = prepare(skeleton)
    found = narrowed(prepared)
    return {skeleton.weights[prepared.forms[name].index].name: found[name] for name in found}


def test_what_goes_between_dense_layers_is_narrow(always):
    wide = (
        layers.Dense(40, activation="relu", name="first"),
        layers.Dropout(0.5),
        layers.Dense(30, name="second"),
        layers.LeakyReLU(),
        layers.Dense(20, name="last"),
    )
    assert shapes_of(model_of(*wide)) == {
        "first/kernel": (108, WIDTH),
        "first/bias": (WIDTH,),
        "second/kernel": (WIDTH, WIDTH),
        "second/bias": (WIDTH,),
        "last/kernel": (WIDTH, 20),
    }


def test_what_saves_little_is_left_alone():
    assert shapes_of(model_of(layers.Dense(40), layers.Dense(20))) == {}


def branches(x):
    return layers.Add()([layers.Dense(30, name="left")(x), layers.Dense(30, name="right")(x)])


def twice(x):
    shared = layers.Dense(36, name="shared")
    return shared(shared(layers.Dense(36, name="before")(x)))


@pytest.mark.parametrize(
    "steps",
    [
        (branches, layers.Dense(20)),
        (twice, layers.Dense(20)),
        (layers.Dense(36), layers.Reshape((6, 6)), layers.Flatten(), layers.Dense(20)),
        (layers.Dense(36), layers.Softmax(), layers.Dense(20)),
        (layers.Dense(36),),
    ],
    ids=["added up", "used twice", "in another shape", "over the channels", "what it gives"],
)
def test_a_width_that_something_else_sees_stays(always, steps):
    assert shapes_of(model_of(*steps)) == {}


@pytest.mark.lane
def test_the_artifact_is_the_same_bytes(skeleton, tmp_path, monkeypatch):
    files = []
    for worth in (0, 1 << 60):
        monkeypatch.setattr(narrowing, "WORTH", worth)
        folder = tmp_path / str(worth)
        folder.mkdir()
        order = Order(skeleton=skeleton("plain"), folder=folder, scratch=tmp_path)
        FORMATS["tftrt-fp16"].write(order)
        files.append((folder / MODEL).read_bytes())
    assert files[0] == files[1]


class Passing(TfTrt):
    """Its lane hands the graph on as it is, without an engine."""

    def convert(self, graph, order, *, explicit=False):
        sent.append({number: shape_of(node) for number, node in stand_ins(graph, 20)})
        return copied(graph)


sent: list[dict] = []  # shapes of stand-ins, by their numbers


def test_a_network_that_is_not_one_engine_is_converted_as_wide_as_it_is(always, skeleton, tmp_path):
    sent.clear()
    order = Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path)
    Passing(name="tftrt-fp16", title="a test").write(order)
    forms = tuple(prepare(skeleton("plain")).forms.values())
    assert sent[0] != sent[1]
    assert sent[1] == {number: form.shape for number, form in enumerate(forms)}


def test_a_stand_in_that_changed_its_shape_is_not_made_wide(always, skeleton):
    prepared = prepare(skeleton("plain"))
    shapes = narrowed(prepared)
    graph = prepared.filled(lambda number, _: value_of(number), shapes)
    assert widen(copied(graph), prepared.forms, shapes)
    (number, *_) = (at for at, name in enumerate(prepared.forms) if name in shapes)
    node = dict(stand_ins(graph, len(prepared.forms)))[number]
    node.attr["value"].tensor.tensor_shape.dim[0].size += 1
    assert not widen(graph, prepared.forms, shapes)
