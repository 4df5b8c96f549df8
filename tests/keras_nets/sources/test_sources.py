"""The kinds of source: which words are for which, and what is said of those for none."""

import subprocess
import sys

import numpy as np
import pytest

from keras_nets import sources
from keras_nets.errors import SourceError


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("vgg13", "catalog"),
        ("VGG13", "catalog"),
        ("my.keras", "keras-file"),
        ("folder/my.h5", "keras-file"),
        ("old.hdf5", "keras-file"),
        ("nets:build", "function"),
        ("package.module:Builder.build", "function"),
        ("keras.applications:ResNet50", "function"),
    ],
)
def test_words_are_for_one_kind(words, kind):
    assert kind == sources.find_kind(words).NAME


def test_a_folder_is_a_saved_model(tmp_path):
    assert sources.find_kind(str(tmp_path)).NAME == "savedmodel"


def test_words_for_no_kind_are_told_the_near_name_and_all_kinds():
    with pytest.raises(SourceError) as caught:
        sources.check("vgg31")
    assert "vgg13" in str(caught.value)
    for kind in (".keras", "package.module:function", "keras.applications:Name", "SavedModel"):
        assert kind in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_told_what_gives_a_model(tmp_path):
    for name, hint in (("net.onnx", "a SavedModel folder"), ("net.py", "as net:function for one")):
        (tmp_path / name).touch()
        with pytest.raises(SourceError, match=f"{name} is no file that gives a model.*{hint}"):
            sources.check(str(tmp_path / name))
    with pytest.raises(SourceError, match="no network is called ''"):
        sources.check("")


def test_a_network_of_the_catalog_comes_without_weights():
    loaded = sources.load("squeezenet1_1", {"classes": 5, "image": (32, 32, 3)})
    assert loaded.model.output_shape == (None, 5) and not loaded.weights
    assert loaded.source.as_dict() == {
        "kind": "catalog",
        "source": "squeezenet1_1",
        "arguments": {"classes": 5, "image": [32, 32, 3]},
        "sha256": "",
    }


def test_a_network_of_the_catalog_refuses_arguments_that_it_does_not_have():
    with pytest.raises(SourceError, match="squeezenet1_1 cannot be built with depth: .*depth"):
        sources.load("squeezenet1_1", {"depth": 5})


def test_importing_the_sources_loads_nothing_heavy():
    code = "import keras_nets.sources, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"keras", "tensorflow", "numpy", "h5py"} == set()


def test_a_function_is_built_again_from_a_report(tmp_path, monkeypatch):
    (tmp_path / "builds.py").write_text(
        "import keras\n"
        "def net(units=2, shape=(4,)):\n"
        "    return keras.Sequential([keras.Input(shape), keras.layers.Dense(units)])\n"
    )
    monkeypatch.chdir(tmp_path)
    first = sources.load("builds:net", {"units": 3, "shape": (2, 4)}, seed=7)
    content = first.source.as_dict() | {"arguments": {"units": 3, "shape": [2, 4]}}
    again = sources.rebuild(sources.ModelSource.of(content), seed=7)
    assert again.model.output_shape == (None, 2, 3) and not again.note
    for before, after in zip(first.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_a_model_that_is_built_twice_in_one_process_has_the_same_names_of_weights():
    words, asked = "keras.applications:MobileNet", {"classes": 3, "alpha": 0.25}
    first, second = (sources.load(words, asked).model for _ in range(2))
    assert [v.path for v in first.weights] == [v.path for v in second.weights]
    assert "_1/" not in first.weights[0].path
