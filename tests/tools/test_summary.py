import json
import re

import keras
import pytest

from tools.summary import main


def test_the_sums_of_a_network_are_shown_in_each_convention(capsys):
    assert main(["vgg11"]) == 0
    printed = capsys.readouterr().out
    for number in ("132,860,584", "7,609,090,048", "7,435,240", "15,094,546,432", "132,851,392"):
        assert number in printed
    assert "conv1_1" in printed and "1.1 %" in printed


def test_json_has_exact_integers_and_a_layer_each(capsys):
    assert main(["squeezenet1_1", "--flavour", "torchvision", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["inputs"] == {"image": [224, 224, 3]}
    assert content["totals"]["conv_macs"] == 349_151_936
    assert sum(layer["macs"] for layer in content["layers"]) == content["totals"]["macs"]
    assert sum(layer["params"] for layer in content["layers"]) == 1_235_496


def test_a_saved_model_is_counted_without_the_catalog(tmp_path, capsys):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    model.save(tmp_path / "own.keras")
    assert main([str(tmp_path / "own.keras"), "--image-size", "4x6", "--json"]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert (totals["macs"], totals["page_params"]) == (144, None)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["vgg12"], "no network is called 'vgg12'; did you mean"),
        (["none.keras"], "none.keras is not there"),
        (["alexnet", "--flavour", "darknet"], "alexnet has the flavours paddle, torchvision"),
        (["alexnet", "--image-size", "20"], "alexnet takes images of at least 63x63 pixels"),
    ],
)
def test_bad_arguments_are_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1


@pytest.mark.parametrize("columns", [40, 80])
def test_the_table_fits_a_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert main(["alexnet"]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert any(line.startswith("conv1 ") for line in lines)
    assert max(map(len, lines)) <= columns
