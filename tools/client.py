"""Send pictures to TF Serving and print what it sees in them, and how long that took.

    python tools/client.py --url http://127.0.0.1:8501 --model vgg13 cat.jpg
    python tools/client.py --url grpc://127.0.0.1:8500 --model vgg13 --label stable photos/

Pictures go as they are to the signature `classify`. Where a model has none, they are preprocessed
here, as the network of that name (or --net) wants them.

Exit status: 0 every picture was answered, 1 some were not, 2 could not run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where a sibling hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json

from export.ending import ending


def main(argv=None) -> int:
    args = _parser().parse_args(argv)
    with ending(extra="serving"):
        return _run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="+", type=Path, metavar="IMAGE|DIR")
    parser.add_argument("--url", required=True, help="http://HOST:8501 or grpc://HOST:8500")
    parser.add_argument("--model", required=True, help="the name that the server has for it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="default: the newest one loaded")
    which.add_argument("--label", help="stable or canary, instead of a version")
    parser.add_argument("--batch", type=_positive, default=1, help="pictures in a request")
    parser.add_argument("--concurrency", type=_positive, default=1, help="requests at a time")
    parser.add_argument("--repeat", type=_positive, default=1, help="send everything so often")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds of one try")
    parser.add_argument("--retries", type=int, default=5, help="of what may succeed later")
    parser.add_argument("--net", help="without `classify`: whose preprocessing; default: --model")
    parser.add_argument("--flavour", help="without `classify`: of the network's weights")
    parser.add_argument("--labels", type=Path, help="without `classify`: a line for each class")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _run(args) -> int:
    from export.serving.client import Backoff, ServingClient
    from export.serving.load import run_all

    pictures = _find(args.pictures)
    with ServingClient(
        args.url,
        args.model,
        version=args.version,
        label=args.label,
        timeout=args.timeout,
        backoff=Backoff(retries=args.retries),
        connections=args.concurrency,
    ) as client:
        ask = _classifier(client, args)
        batches = [pictures[at : at + args.batch] for at in range(0, len(pictures), args.batch)]
        answers, seconds = run_all(ask, batches * args.repeat, args.concurrency)
    return _report(answers, seconds, args.json)


def _find(paths: list[Path]) -> list[Path]:
    from keras_nets.preprocess import list_images

    found = []
    for path in paths:
        found += list_images(path) if path.is_dir() else [path]
    if not found:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}")
    return found


def _classifier(client, args):
    """Return the function from a list of paths to their guesses, by what the model offers."""
    signatures = client.signatures()
    if "classify" in signatures:
        return lambda paths: client.classify([_decodable(path) for path in paths])

    import numpy as np

    from export.signatures.labels import read_labels
    from keras_nets import NETS
    from keras_nets.preprocess import preprocess, recipe_for

    name = args.net or args.model
    if name not in NETS:
        raise ValueError(
            f"{args.model!r} takes no encoded pictures, and no network is called {name!r} whose "
            f"preprocessing to use; name one with --net: {', '.join(NETS)}"
        )
    default = signatures.get("serving_default")
    if default is None or "image" not in default.inputs:
        known = ", ".join(signatures) or "none"
        raise ValueError(
            f"{args.model!r} takes neither encoded pictures nor `image`, so it is not of "
            f"tools/export.py; its signatures: {known}"
        )
    shape = default.inputs["image"].shape
    flavour = args.flavour or NETS[name].flavours[0]
    recipe = recipe_for(NETS[name], flavour, size=shape[1] if shape and shape[1] > 0 else None)
    labels = read_labels(args.labels) if args.labels else ()

    def classify(paths):
        images = np.stack([preprocess(path, recipe) for path in paths])
        return client.guess(client.predict(images), labels)

    return classify


def _decodable(path: Path) -> bytes:
    """Return a picture as the server decodes it, upright: the server ignores EXIF."""
    import io

    from PIL import Image

    from keras_nets.pictures import load_image, open_image

    with open_image(path) as image:
        orientation = image.getexif().get(0x0112, 1)
        if image.format in ("JPEG", "PNG") and orientation == 1:
            return path.read_bytes()
    file = io.BytesIO()
    Image.fromarray(load_image(path)).save(file, "PNG")
    return file.getvalue()


def _report(answers, seconds: float, as_json: bool) -> int:
    from export.serving.load import percentiles

    good = [answer for answer in answers if answer.error is None]
    times = percentiles(answer.seconds for answer in good)
    rate = len(good) / seconds
    if as_json:
        print(json.dumps(_as_data(answers, times, rate)))
    else:
        for answer in good:
            for path, guesses in zip(answer.request, answer.result, strict=True):
                print(path)
                for guess in guesses:
                    print(f"  {guess.probability:.4f}  {guess.label}")
        latency = ", ".join(f"{name} {value:.1f} ms" for name, value in times.items())
        print(f"{len(good)} of {len(answers)} requests answered, {rate:.1f}/s; {latency or 'none'}")
    for answer in answers:
        if answer.error is not None:
            print(f"error: {', '.join(map(str, answer.request))}: {answer.error}", file=sys.stderr)
    return 0 if len(good) == len(answers) else 1


def _as_data(answers, times: dict, rate: float) -> dict:
    rows = []
    for answer in answers:
        error = None if answer.error is None else str(answer.error)
        results = answer.result or [[] for _ in answer.request]
        for path, guesses in zip(answer.request, results, strict=True):
            rows.append({"path": str(path), "guesses": [vars(g) for g in guesses], "error": error})
    return {"pictures": rows, "latency_ms": times, "requests_per_s": rate}


if __name__ == "__main__":
    sys.exit(main())
