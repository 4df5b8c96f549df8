import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.model_table import main

COLUMNS = [
    "model", "flavour", "image", "param_count", "trainable", "page_params_m", "gmacs", "mmacts",
    "page_flops_g", "top1_published", "top5_published", "source", "top1_measured", "pictures",
]  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    speed, accuracy = folder / "speed.jsonl", folder / "accuracy.json"
    speed.write_text(
        '{"model": "vgg13", "format": "onnx", "runtime": "onnxruntime", "device": "cpu", '
        '"batch": 1, "median_ms": 100.5, "valid": true, '
        '"machine": {"cpu": "a fast one", "cores": 2, "instructions": ["avx2"]}}\n'
    )
    entry = {"model": "alexnet", "format": "keras", "flavour": "torchvision", "error": None}
    entry |= {"top1": 0.5, "margin": 0.01, "pictures": 5000}
    networks = [entry, entry | {"format": "onnx", "top1": 0.1}, entry | {"error": "died"}]
    accuracy.write_text(json.dumps({"networks": networks}))
    out = folder / "docs" / "models.md"
    assert main(["--out", str(out), "--speed", str(speed), "--accuracy", str(accuracy)]) == 0
    return out


def test_every_network_has_a_row_for_each_flavour_in_csv(written):
    with written.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 16
    (vgg,) = (row for row in rows if (row["model"], row["flavour"]) == ("vgg13", "torchvision"))
    assert vgg["param_count"] == "133047848"
    assert float(vgg["gmacs"]) == pytest.approx(11.308466176)
    assert float(vgg["mmacts"]) == pytest.approx(12.252136)
    assert float(vgg["top1_published"]) == 0.69928
    assert (vgg["page_params_m"], vgg["top1_measured"]) == ("", "")


def test_counts_agree_with_what_others_print(written):
    networks = json.loads(written.with_suffix(".json").read_text())["networks"]
    for row in networks:
        if row["torchvision_gmacs"]:
            assert round(row["gmacs"], 3) == row["torchvision_gmacs"]
        if row["page_params_m"]:
            assert int(row["convention_params_m"] * 100) / 100 == row["page_params_m"]
            assert abs(row["convention_flops_g"] - row["page_flops_g"]) < 0.015


def test_the_page_shows_what_was_measured_and_what_was_not(written):
    page = written.read_text()
    assert "0.500 ± 0.010 of 5,000" in page
    assert page.count("not measured here") == 15 + 7
    assert "| vgg13 | onnx | onnxruntime | cpu | 100 | 2.148 | 2.58589 |" in page
    assert "None were given to the command" in page
    assert "- a fast one, 2 cores, avx2\n" in page


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--out", "models.csv"], "--out names the page, a .md file"),
        (["--speed", "none"], "none is not there"),
        (["--artifacts", "none"], "none is not there"),
    ],
)
def test_bad_arguments_are_one_line(arguments, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and line in said and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_stands_by_itself_lies_beside_the_page(written):
    svg = ElementTree.fromstring(written.with_suffix(".svg").read_text())
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"alexnet", "darknet53", "published top-1"} <= texts
    assert "](models.svg)" in written.read_text()


def test_the_table_of_the_readme_has_the_counts_of_the_page(written):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    networks = json.loads(written.with_suffix(".json").read_text())["networks"]
    first = {row["model"]: row for row in reversed(networks)}.values()
    for row in first:
        (line,) = (text for text in readme.splitlines() if f"| `{row['model']}` |" in text)
        counts = f"| {row['trainable']:,} | {row['gmacs']:.2f} | {row['image']} |"
        assert counts in line and f"| {row['top1_published']:.3f} |" in line
