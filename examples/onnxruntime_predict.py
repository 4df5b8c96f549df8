"""Classify a picture with ONNX Runtime: FOLDER PICTURE, such as exports/vgg13/onnx cat.jpg."""

import json
import sys
from pathlib import Path

import onnxruntime

from keras_nets import NETS
from keras_nets.preprocess import preprocess, recipe_for

folder, picture = map(Path, sys.argv[1:])
report = json.loads((folder / "report.json").read_text())
options = report["options"]
recipe = recipe_for(NETS[report["model"]], options["flavour"], size=options["image"][0])
session = onnxruntime.InferenceSession(folder / "model.onnx")
(logits,) = session.run(["logits"], {"image": preprocess(picture, recipe)[None]})
for place in logits[0].argsort()[::-1][:5]:
    print(f"class {place}: logit {logits[0, place]:.3f}")
