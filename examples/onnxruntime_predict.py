"""Classify a picture with ONNX Runtime, without a server.

    python examples/onnxruntime_predict.py exports/vgg13/onnx cat.jpg

Prints the five likeliest classes by their numbers. Exit status: 0, or 2 where it could not.
"""

import sys
from pathlib import Path

if not __package__:  # works from a checkout that is not installed, from any folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from export.commandline.options import make_parser
from export.commandline.paths import need_file
from export.ending import ending
from export.formats import find_format
from export.formats.names import ONNX
from export.report.file import read_report
from keras_nets import NETS


def main(argv=None) -> int:
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that holds report.json")
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="in any common format")
    args = parser.parse_args(argv)
    with ending():
        need_file("PICTURE", args.picture, "a picture")
        return classify(args.folder, args.picture)


def classify(folder: Path, picture: Path) -> int:
    """Print the five likeliest classes of `picture`."""
    report = read_report(folder)
    image = tuple(report.options["image"])
    if find_format(report.format).kind != ONNX:
        raise ValueError(f"{folder} is of format {report.format}; export it to onnx for this")
    if report.model not in NETS:
        raise ValueError(
            f"{folder} is of {report.model!r}, which the catalog does not have: make of pictures "
            f"what it was trained on, float32 (n, {', '.join(map(str, image))}), and call "
            "session.run(['logits'], {'image': images}) as this file does"
        )
    import onnxruntime

    from keras_nets.preprocess import preprocess, recipe_for_image

    recipe = recipe_for_image(NETS[report.model], report.options["flavour"], image)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (logits,) = session.run(["logits"], {"image": preprocess(picture, recipe)[None]})
    for place in logits[0].argsort()[::-1][:5]:
        print(f"class {place}: logit {logits[0, place]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
