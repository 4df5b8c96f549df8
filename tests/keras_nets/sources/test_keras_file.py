"""`--model my.keras`: files as they should be, damaged ones, and ones that would do harm."""

import json
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_nets import sources
from keras_nets.errors import SourceError

LAYERS = """
import keras


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2


class Unregistered(keras.layers.Layer):
    def call(self, x):
        return x * 3
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder to be in, with a module of layers."""
    (tmp_path / "layers_of_a_user.py").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield
    sys.modules.pop("layers_of_a_user", None)


@pytest.fixture(params=["keras", "h5"])
def saved(request, tmp_path):
    """A model, and the path that it is saved at."""
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()], name="small"
    )
    path = tmp_path / f"small.{request.param}"
    model.save(path)
    return model, path


def refusal(path, **options) -> str:
    with pytest.raises(SourceError) as caught:
        sources.load(str(path), **options)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 700
    return line


def with_config(path, change) -> None:
    """Rewrite the configuration in a .keras file."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)


def test_a_file_gives_its_model_and_how_to_load_it_again(saved):
    model, path = saved
    loaded = sources.load(str(path))
    for before, after in zip(model.weights, loaded.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
    assert loaded.weights == str(path)
    assert loaded.source.kind == "keras-file" and len(loaded.source.sha256) == 64


def test_a_file_takes_no_arguments(saved):
    assert "is a file and takes no --model-arg; leave x out" in refusal(
        saved[1], arguments={"x": 1}
    )


def test_a_file_that_is_not_there_is_told_with_the_one_that_is_near(saved):
    path = saved[1]
    assert f"did you mean {path}?" in refusal(path.with_stem("smal"))
    assert "is not there; name a .keras or .h5 file" in refusal(path.parent / "none" / "x.keras")


def test_a_folder_called_like_a_file_is_one_line(tmp_path):
    (tmp_path / "x.keras").mkdir()
    assert "is a folder" in refusal(tmp_path / "x.keras")


@pytest.mark.parametrize("kind", ["keras", "h5"])
@pytest.mark.parametrize(
    "content", [b"", b"text", b"PK\x03\x04" + b"\0" * 100, b"\x89HDF\r\n\x1a\n" + b"\xff" * 500]
)
def test_bytes_that_are_no_model_are_one_line(tmp_path, kind, content):
    path = tmp_path / f"x.{kind}"
    path.write_bytes(content)
    assert "model.save('x.keras')" in refusal(path) or "rename it" in refusal(path)


def test_a_file_cut_off_anywhere_is_one_line(saved):
    path = saved[1]
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        assert str(path) in refusal(path)


def test_a_file_named_as_the_other_kind_is_told_its_own(saved):
    path = saved[1]
    other = path.with_suffix(".h5" if path.suffix == ".keras" else ".keras")
    path.rename(other)
    assert f"rename it to {path.name}" in refusal(other)


def test_a_file_of_weights_alone_is_told_what_it_needs(saved, tmp_path):
    path = tmp_path / "small.weights.h5"
    saved[0].save_weights(path)
    assert f"--model package.module:function --weights {path}" in refusal(path)


def test_a_zip_that_is_no_keras_file_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("readme", "hello")
    assert "is a zip without config.json" in refusal(tmp_path / "x.keras")


@pytest.mark.parametrize(
    "config", ["[]", "5", "{", '{"class_name": "Sequential"}', "[" * 100_000, '"\\ud800"']
)
def test_a_configuration_that_is_none_is_one_line(tmp_path, config):
    path = tmp_path / "x.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    with zipfile.ZipFile(path) as old:
        weights = old.read("model.weights.h5")
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("config.json", config)
        new.writestr("model.weights.h5", weights)
    assert str(path) in refusal(path)


class TestCode:
    """Code that a file holds runs only where the user says so."""

    @pytest.fixture(params=["keras", "h5"])
    def path(self, request, tmp_path):
        path = tmp_path / f"code.{request.param}"
        image = keras.Input((4,))
        keras.Model(image, keras.layers.Lambda(lambda x: x * 2, name="twice")(image)).save(path)
        return path

    def test_a_lambda_is_refused_with_the_reason_and_what_to_do(self, path):
        line = refusal(path)
        assert "holds code, in the Lambda layer 'twice'" in line
        assert "a file's code can do anything" in line and "--allow-unsafe" in line

    def test_it_runs_where_that_is_allowed(self, path):
        model = sources.load(str(path), allow_unsafe=True).model
        np.testing.assert_array_equal(np.asarray(model(np.ones((1, 4)))), np.full((1, 4), 2))

    def test_a_report_does_not_allow_it(self, path):
        source = sources.load(str(path), allow_unsafe=True).source
        with pytest.raises(SourceError, match="--allow-unsafe"):
            sources.rebuild(source)
        assert sources.rebuild(source, allow_unsafe=True).model.input_shape == (None, 4)

    def test_a_lambda_within_a_model_within_a_model_is_found(self, tmp_path):
        inner = keras.Sequential([keras.layers.Lambda(lambda x: x * 2, name="deep")])
        image = keras.Input((3, 4))
        outer = keras.Model(image, keras.layers.TimeDistributed(inner)(image))
        outer.save(tmp_path / "deep.keras")
        assert "the Lambda layer 'deep'" in refusal(tmp_path / "deep.keras")

    def test_a_layer_that_runs_a_saved_model_is_refused(self, tmp_path):
        path = tmp_path / "x.keras"
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)

        def change(config):
            config["config"]["layers"][1]["class_name"] = "TFSMLayer"

        with_config(path, change)
        assert "holds code, in a TFSMLayer" in refusal(path)

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"),
            ("builtins", "eval"),
            ("keras.utils", "get_file"),
            ("subprocess", "run"),
        ],
    )
    def test_no_function_runs_because_a_file_names_it(self, tmp_path, module, name):
        path = tmp_path / "x.keras"
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)

        def change(config):
            config["config"]["layers"][1]["config"]["activation"] = {
                "module": module,
                "class_name": "function",
                "config": name,
                "registered_name": name,
            }

        with_config(path, change)
        assert str(path) in refusal(path)


class TestCustomObjects:
    """Classes of the user's own, which a module registers."""

    @pytest.fixture
    def registered(self, modules, tmp_path):
        import layers_of_a_user

        image = keras.Input((4,))
        keras.Model(image, layers_of_a_user.Doubled(name="own")(image)).save(tmp_path / "own.keras")
        keras.saving.get_custom_objects().clear()
        del sys.modules["layers_of_a_user"]
        return tmp_path / "own.keras"

    def test_a_missing_class_is_named_with_what_to_do(self, registered):
        line = refusal(registered)
        assert "needs 'Doubled', which Keras does not have" in line
        assert "--custom-objects MODULE" in line

    def test_a_module_that_registers_it_is_enough(self, registered):
        loaded = sources.load(str(registered), custom_objects=["layers_of_a_user"])
        np.testing.assert_array_equal(np.asarray(loaded.model(np.ones((1, 4)))), [[2, 2, 2, 2]])
        keras.saving.get_custom_objects().clear()
        del sys.modules["layers_of_a_user"]
        assert sources.rebuild(loaded.source).model.input_shape == (None, 4)
        keras.saving.get_custom_objects().clear()

    def test_a_class_that_nobody_registered_is_found_by_its_name(self, modules, tmp_path):
        import layers_of_a_user

        image = keras.Input((4,))
        keras.Model(image, layers_of_a_user.Unregistered()(image)).save(tmp_path / "own.h5")
        assert "needs 'Unregistered'" in refusal(tmp_path / "own.h5")
        found = sources.load(str(tmp_path / "own.h5"), custom_objects=["layers_of_a_user"])
        np.testing.assert_array_equal(np.asarray(found.model(np.ones((1, 4)))), [[3, 3, 3, 3]])

    def test_a_module_that_is_not_there_is_one_line(self, registered):
        line = refusal(registered, custom_objects=["no_such_module"])
        assert "--custom-objects no_such_module: there is no module" in line


class TestHostileHdf5:
    """HDF5 that would read other files or take more memory than the file is worth."""

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "x.h5"
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
        return path

    @pytest.mark.parametrize("link", [h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/x")])
    def test_links_elsewhere_are_refused(self, path, link):
        with h5py.File(path, "r+") as file:
            file["model_weights"]["elsewhere"] = link
        assert "is a link elsewhere" in refusal(path)

    def test_values_in_another_file_are_refused(self, path):
        with h5py.File(path, "r+") as file:
            file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])
        assert "lies in another file" in refusal(path)

    def test_a_dataset_that_claims_too_much_is_refused(self, path):
        with h5py.File(path, "r+") as file:
            file.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")
        assert "claims" in refusal(path)

    def test_a_configuration_that_is_no_text_is_refused(self, path):
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = np.zeros(4)
        assert "'model_config' is no text" in refusal(path)


@pytest.mark.parametrize("units", [1 << 28, 10**12])
def test_a_configuration_that_asks_for_more_memory_than_the_file_is_worth_is_refused(
    tmp_path, units
):
    import resource

    path = tmp_path / "x.keras"
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(path)

    def change(config):
        config["config"]["layers"][1]["config"]["units"] = units

    with_config(path, change)
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert "takes far more memory than its weights are" in refusal(path)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
