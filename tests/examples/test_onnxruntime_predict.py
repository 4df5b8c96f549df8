"""The example for ONNX Runtime: what it prints, and what it says where it cannot."""

import pytest
from PIL import Image

from examples import onnxruntime_predict
from export.pipeline import Options, export_model


@pytest.fixture(scope="module", params=["onnx", "onnx-fp16"])
def exported(request, tmp_path_factory):
    from keras_nets import find_net, seed_weights

    model = seed_weights(find_net("squeezenet1_1").build(image=(64, 64, 3), classes=7), 0)
    options = Options(flavour="paddle")
    out = tmp_path_factory.mktemp("out")
    (report,) = export_model(model, [request.param], out, options=options)
    return report.folder


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (80, 60), (200, 30, 30)).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def test_the_five_likeliest_classes_are_printed(exported, picture, capsys):
    assert onnxruntime_predict.main([exported, picture]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    logits = [float(line.rpartition(" ")[2]) for line in lines]
    assert logits == sorted(logits, reverse=True)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("plain/onnx", "float32 (n, 32, 32, 3), and call session.run(['logits']"),
        ("plain/savedmodel", "is of format savedmodel; export it to onnx"),
        ("", "has no report.json; name a folder that tools/export.py wrote"),
    ],
)
def test_what_it_cannot_do_is_a_line_with_what_to_do(
    export_toy, picture, tmp_path, capsys, folder, message
):
    place = export_toy(*folder.split("/")).folder if folder else str(tmp_path)
    with pytest.raises(SystemExit) as ended:
        onnxruntime_predict.main([place, picture])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_picture_that_is_not_there_is_a_line(exported, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        onnxruntime_predict.main([exported, str(tmp_path / "none.png")])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: PICTURE {tmp_path / 'none.png'} is not there; name a picture"


def test_it_explains_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        onnxruntime_predict.main(["--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
