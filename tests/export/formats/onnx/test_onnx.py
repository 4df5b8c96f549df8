"""ONNX artifacts, as other tools see them."""

import shutil
from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers

from export import export_model
from export.errors import ArtifactError, ExportError, PourError
from export.formats.base import Order
from export.formats.onnx import ALIGNMENT, DATA, MODEL, Onnx
from export.formats.onnx.reading import open_onnx
from export.observe.model import observe_model
from export.results import Status
from export.skeleton.tracing import trace
from keras_nets.weights.seeded import seed_weights

NAMES = ("plain", "odd", "shared", "nested", "subclassed")


@pytest.fixture(scope="module")
def plain(written):
    return onnx.load(written("plain", "onnx") / MODEL)


@pytest.fixture(scope="module")
def external(skeleton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    note = (
        Onnx(largest=1000)
        .write(Order(skeleton=skeleton("plain"), folder=folder, scratch=folder))
        .note
    )
    assert DATA in note
    return folder


def test_a_plain_artifact_is_one_file_little_larger_than_its_weights(written, skeleton):
    (file,) = written("plain", "onnx").iterdir()
    assert file.stat().st_size < skeleton("plain").weight_bytes + 5000


def test_names_and_shapes_are_those_of_the_contract(plain):
    def declared(value):
        dims = value.type.tensor_type.shape.dim
        return value.name, [dim.dim_param or dim.dim_value for dim in dims]

    assert [declared(v) for v in plain.graph.input] == [("image", ["batch", 32, 32, 3])]
    assert [declared(v) for v in plain.graph.output] == [("logits", ["batch", 5])]
    assert plain.graph.name == "plain"
    assert [(o.domain, o.version) for o in plain.opset_import if not o.domain] == [("", 17)]


def test_initializers_carry_the_names_of_keras(plain, skeleton):
    held = {init.name for init in plain.graph.initializer}
    assert held >= {weight.name for weight in skeleton("plain").weights}


def test_every_bias_of_a_convolution_is_inside_it(plain):
    convolutions = [node for node in plain.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 3
    assert all(len(node.input) == 3 for node in convolutions)


def test_explicit_padding_is_inside_the_convolution(plain):
    ops = Counter(node.op_type for node in plain.graph.node)
    assert not {"Pad", "BatchNormalization", "Mul"} & set(ops)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_most_two_transposes(written, name):
    model = onnx.load(written(name, "onnx") / MODEL)
    ops = Counter(node.op_type for node in model.graph.node)
    assert ops["Transpose"] <= 2
    assert ops["BatchNormalization"] == 0


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_onnx_runtime_runs_it_at_any_batch(written, toy, batch):
    images = np.random.default_rng(batch).standard_normal((batch, 32, 32, 3), np.float32)
    session = onnxruntime.InferenceSession(written("plain", "onnx") / MODEL)
    (logits,) = session.run(["logits"], {"image": images})
    wanted = np.asarray(toy("plain")(images, training=False))
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_two_exports_give_the_same_bytes(written, skeleton, tmp_path):
    Onnx().write(Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path))
    assert (tmp_path / MODEL).read_bytes() == (written("plain", "onnx") / MODEL).read_bytes()


def test_weights_beyond_a_protobuf_lie_beside_the_graph(external, failures, skeleton):
    assert {path.name for path in external.iterdir()} == {MODEL, DATA}
    assert (external / MODEL).stat().st_size < 10_000
    assert failures("plain", "onnx", external) == {}
    model = onnx.load(external / MODEL, load_external_data=False)
    places = [
        {entry.key: int(entry.value) for entry in init.external_data if entry.key != "location"}
        for init in model.graph.initializer
        if init.external_data
    ]
    assert len(places) == len(skeleton("plain").weights)
    assert all(place["offset"] % ALIGNMENT == 0 for place in places)


def test_external_weights_load_in_onnx_and_in_onnx_runtime(external, written):
    onnx.checker.check_model(str(external / MODEL), full_check=True)
    inside = onnx.load(written("plain", "onnx") / MODEL).graph.initializer
    beside = onnx.load(external / MODEL).graph.initializer
    assert {i.name: onnx.numpy_helper.to_array(i).tobytes() for i in inside} == {
        i.name: onnx.numpy_helper.to_array(i).tobytes() for i in beside
    }


@pytest.mark.parametrize("damage", ["gone", "cut in half", "changed"])
def test_damaged_external_weights_fail(external, failures, tmp_path, damage):
    folder = shutil.copytree(external, tmp_path / "damaged")
    data = folder / DATA
    content = data.read_bytes()
    if damage == "gone":
        data.unlink()
    elif damage == "cut in half":
        data.write_bytes(content[: len(content) // 2])
    else:
        data.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert "weights" in failures("plain", "onnx", folder)


@pytest.mark.parametrize("damage", ["unsorted", "cut"])
def test_what_the_checker_of_onnx_refuses_is_told(written, tmp_path, damage):
    model = onnx.load(written("plain", "onnx") / MODEL)
    if damage == "unsorted":
        del model.graph.node[0]
    else:
        held = max(model.graph.initializer, key=lambda held: len(held.raw_data))
        held.raw_data = held.raw_data[:-4]
    (tmp_path / MODEL).write_bytes(model.SerializeToString())
    told = open_onnx(tmp_path).graph["checker"]
    assert ("topologically sorted" if damage == "unsorted" else "bytes, and its shape") in told


def test_a_weight_that_only_lies_there_does_not_hide_the_constant_that_is_read(
    written, failures, tmp_path
):
    folder = shutil.copytree(written("plain", "onnx"), tmp_path / "decoy")
    model = onnx.load(folder / MODEL)
    held = next(i for i in model.graph.initializer if i.name == "conv3/bias")
    values = onnx.numpy_helper.to_array(held).copy()
    values[0] *= 1.0001  # too little for parity
    reader = reader_of(model.graph, held.name)
    reader.input[list(reader.input).index(held.name)] = "read"
    read = onnx.helper.make_node(
        "Constant", [], ["read"], value=onnx.numpy_helper.from_array(values)
    )
    model.graph.node.insert(0, read)
    onnx.save(model, folder / MODEL)
    assert failures("plain", "onnx", folder)["weights"].note == "not the model's: read"


@pytest.mark.parametrize("location", ["../../elsewhere", "/etc/hostname", "missing.data"])
def test_external_data_is_only_read_from_beside_the_graph(external, tmp_path, location):
    folder = shutil.copytree(external, tmp_path / "led astray")
    model = onnx.load(folder / MODEL, load_external_data=False)
    (tmp_path / "elsewhere").write_bytes(b"secret" * 4000)
    for init in model.graph.initializer:
        for entry in init.external_data:
            if entry.key == "location":
                entry.value = location
    (folder / MODEL).write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="export it again"):
        list(Onnx().open(folder).weights())


def rewired(change):
    """An Onnx whose converter is followed by `change` of its graph."""

    class Rewired(Onnx):
        def _run_tf2onnx(self, graph, name, stand_ins):
            model = super()._run_tf2onnx(graph, name, stand_ins)
            if stand_ins:  # the converter's own way has none
                change(model.graph)
            return model

    return Rewired()


def reader_of(graph, name):
    return next(node for node in graph.node if name in node.input)


def lose(graph):
    """Give what reads a bias something else."""
    reader = reader_of(graph, "weight_1:0")
    other = graph.initializer.add(name="other", data_type=1, dims=[8], float_data=[0.0] * 8)
    reader.input[list(reader.input).index("weight_1:0")] = other.name


def double(graph):
    """Read the last bias twice, once in another shape."""
    graph.node.add(op_type="Reshape", input=["weight_9:0", "row"], output=["again"], name="again")
    graph.initializer.add(name="row", data_type=7, dims=[2], int64_data=[1, 5])
    last = next(node for node in graph.node if "logits" in node.output)
    last.output[0] = "before"
    graph.node.add(op_type="Add", input=["before", "again"], output=["logits"], name="more")


@pytest.mark.parametrize(
    ("change", "message"), [(lose, "lost conv1/bias"), (double, "doubled logits/bias")]
)
def test_a_stand_in_that_the_converter_loses_or_doubles_is_named(
    skeleton, tmp_path, change, message
):
    order = Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path)
    with pytest.raises(PourError, match=message):
        rewired(change)._pour(order)
    assert not (tmp_path / MODEL).exists()


@pytest.mark.parametrize("change", [lose, double])
def test_then_the_converter_s_own_way_is_taken_and_told(skeleton, tmp_path, failures, change):
    written = rewired(change).write(
        Order(skeleton=skeleton("plain"), folder=tmp_path, scratch=tmp_path)
    )
    assert written.stock.startswith("the converter ")
    assert set(failures("plain", "onnx", tmp_path)) <= {"weights"}


def test_a_weight_that_a_constant_of_the_graph_equals_is_poured_all_the_same(tmp_path, look):
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(inputs) * 0.25 + 1.0
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Flatten(name="flatten")(x)
    model = seed_weights(keras.Model(inputs, layers.Dense(5, name="logits")(x), name="equal"))
    model.get_layer("conv").bias.assign([0.25, 0.25, 0.25, 0.25])
    model.get_layer("norm").gamma.assign([1.0, 1.0, 1.0, 1.0])
    Onnx().write(Order(skeleton=trace(model), folder=tmp_path, scratch=tmp_path))
    images = np.random.default_rng(0).standard_normal((8, 8, 8, 3), np.float32)
    wanted = np.asarray(model(images, training=False))
    got = look("onnx", tmp_path, images).outputs["logits"]
    assert np.abs(got - wanted).max() < 1e-4 * wanted.std()


def test_a_transposed_convolution_is_found_in_the_layout_of_keras(tmp_path, look):
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2DTranspose(4, 3, strides=2, name="up")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = seed_weights(keras.Model(inputs, layers.Dense(5, name="logits")(x), name="up"))
    traced = trace(model)
    Onnx().write(Order(skeleton=traced, folder=tmp_path, scratch=tmp_path))
    images = np.ones((1, 8, 8, 3), np.float32)
    held = {found.name: found.shape for found in look("onnx", tmp_path, images).weights}
    assert held["up/kernel"] == (3, 3, 4, 3)


CONVERTED = {
    "a convolution in groups": lambda: layers.Conv2D(6, 3, groups=3, name="layer"),
    "an exact GELU": lambda: layers.Conv2D(6, 3, activation="gelu", name="layer"),
    "means and scales": lambda: layers.Normalization(
        mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 4.0], name="layer"
    ),
    "a resized image": lambda: layers.Resizing(5, 6, name="layer"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_every_weight_is_found_and_nothing_else(tmp_path, look, case):
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.GlobalAveragePooling2D(name="pool")(CONVERTED[case]()(inputs))
    model = seed_weights(keras.Model(inputs, layers.Dense(5, name="logits")(x), name="one"))
    traced, images = trace(model), np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    Onnx().write(Order(skeleton=traced, folder=tmp_path, scratch=tmp_path))
    seen, reference = (
        look("onnx", tmp_path, images),
        observe_model(model, traced, {"image": images}),
    )
    assert (
        np.abs(seen.outputs["logits"] - reference.outputs["logits"]).max()
        < 1e-4 * reference.outputs["logits"].std()
    )
    held, wanted = ({weight.sha256 for weight in own} for own in (seen.weights, reference.weights))
    assert wanted <= held <= wanted | reference.constants


def test_what_the_converter_adds_for_slices_and_one_hots_is_no_weight(here, tmp_path):
    """A crop to another aspect ratio slices by sizes; ids are spread over zeros and ones."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Resizing(5, 6, crop_to_aspect_ratio=True)(inputs))
    ids = keras.ops.cast(keras.ops.abs(x[:, :4]) * 3, "int32")
    x = layers.Dense(4)(layers.Concatenate()([x, layers.Flatten()(keras.ops.one_hot(ids, 6))]))
    (report,) = export_model(seed_weights(keras.Model(inputs, x)), ["onnx"], tmp_path)
    assert report.check("weights").status is Status.PASSED


@pytest.mark.parametrize(
    ("layer", "operation"),
    [
        (lambda: layers.Resizing(5, 6, interpolation="bicubic"), "ResizeBicubic"),
        (lambda: layers.Resizing(4, 4, interpolation="area"), "ResizeArea"),
        (lambda: layers.Discretization(bin_boundaries=[0.0, 1.0]), "Bucketize"),
    ],
)
def test_what_no_conversion_runs_is_refused_before_any_work(here, tmp_path, layer, operation):
    inputs = keras.Input((8, 8, 3))
    x = keras.ops.cast(layer()(inputs), "float32")
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))
    with pytest.raises(ExportError, match=f"no conversion of the operation {operation} of "):
        export_model(model, ["onnx"], tmp_path)
    assert list(tmp_path.rglob("*.onnx")) == []
