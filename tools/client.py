"""Send pictures, or any arrays, to TF Serving and print what it makes of them, and how fast.

    python tools/client.py --url http://127.0.0.1:8501 --model vgg13 cat.jpg
    python tools/client.py --url grpc://127.0.0.1:8500 --model vgg13 --label stable photos/
    python tools/client.py --url http://127.0.0.1:8501 --model mood --inputs real.npz

Pictures are sent unchanged to the signature `classify`. If a model has none, they are preprocessed
here, as the framework does that its weights come from. The server cannot tell which one that is:
name the export that it serves with --artifact, or the network and its flavour with --net and
--flavour.

--inputs sends the arrays of an .npz, by the names of the model's inputs, to any model.

Exit status: 0 every picture or sample was answered, 1 some were not, 2 could not run.
"""

import sys
from pathlib import Path

if not __package__:  # as a script sys.path[0] is tools/, where a sibling hides `export`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from functools import partial

from export.commandline.compared import NPZ, add_preprocess
from export.commandline.options import make_parser, positive
from export.commandline.paths import need_file, need_place
from export.ending import ending

LARGEST_SIDE = 4096  # pixels of an image; a server may claim any number


def main(argv=None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if bool(args.pictures) == bool(args.inputs):
        parser.error("name pictures to send, or --inputs FILE.npz")
    if args.save and not args.inputs:
        parser.error("--save keeps what --inputs gave; pictures are printed")
    with ending(extra="serving"):
        return _run_arrays(args) if args.inputs else _run(args)


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, metavar="IMAGE|DIR")
    parser.add_argument(
        "--inputs", type=Path, metavar="FILE.npz", help="arrays by input name, in place of pictures"
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE.npz", help="write what --inputs gave, by output name"
    )
    parser.add_argument("--url", required=True, help="http://HOST:8501 or grpc://HOST:8500")
    parser.add_argument("--model", required=True, help="its name on the server")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="default: the newest one loaded")
    which.add_argument("--label", help="stable or canary, instead of a version")
    parser.add_argument(
        "--batch", type=positive, default=1, help="pictures or samples in a request"
    )
    parser.add_argument("--concurrency", type=positive, default=1, help="requests at a time")
    parser.add_argument("--repeat", type=positive, default=1, help="send the whole set N times")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for one try, 30")
    parser.add_argument("--retries", type=int, default=5, help="tries after the first, 5")
    parser.add_argument(
        "--deadline",
        type=float,
        default=float("inf"),
        help="seconds for all tries of a request",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'|@FILE",
        help="sent with each request, and never printed; a file has a header a line",
    )
    without = parser.add_argument_group("for a model without `classify`")
    without.add_argument(
        "--artifact", type=Path, metavar="DIR", help="the export whose preprocessing to use"
    )
    add_preprocess(without)
    without.add_argument("--net", help="the network whose preprocessing to use; default: --model")
    without.add_argument("--flavour", help="of its weights: paddle, torchvision or darknet")
    without.add_argument("--labels", type=Path, help="a text file with a class a line")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    return parser


def _run_arrays(args) -> int:
    """Send the arrays of --inputs."""
    need_file("--inputs", args.inputs, NPZ)
    if args.save:
        need_place("--save", args.save)
    headers = _checked_headers(args)
    from export.commandline.answers import print_outcome, save_outputs
    from export.given import read_given
    from export.serving.client.arrays import Sending, ask_all

    given = read_given(args.inputs)
    sending = Sending(batch=args.batch, repeat=args.repeat, concurrency=args.concurrency)
    with _client(args, headers) as client:
        outcome = ask_all(client, given.batch, sending)
    status = print_outcome(outcome, args.json)
    if args.save and not status:
        save_outputs(outcome, args.save)
    return status


def _checked_headers(args) -> dict[str, str]:
    """The headers of --header; raises ValueError for what no server could be asked."""
    from export.serving.client.address import Which, parse_address, read_headers

    headers = read_headers(args.header)
    parse_address(args.url, headers)  # and not the client yet, which loads numpy and gRPC
    Which(args.model, args.version, args.label)
    return headers


def _client(args, headers: dict[str, str]):
    from export.serving.client import Backoff, ServingClient

    return ServingClient(
        args.url,
        args.model,
        version=args.version,
        label=args.label,
        timeout=args.timeout,
        backoff=Backoff(retries=args.retries, total=args.deadline),
        connections=args.concurrency,
        headers=headers,
    )


def _run(args) -> int:
    headers = _checked_headers(args)
    pictures, broken = _check_all(_find(args.pictures))
    for answer in broken:
        print(f"error: {answer.error}", file=sys.stderr)
    if not pictures:
        return 2
    recipe_of = _recipe(args)

    from export.commandline.answers import print_pictures
    from export.serving.client.load_test import run_all

    with _client(args, headers) as client:
        ask = _classifier(client, args, recipe_of)
        batches = [pictures[at : at + args.batch] for at in range(0, len(pictures), args.batch)]
        answers, seconds = run_all(ask, batches * args.repeat, args.concurrency)
    return print_pictures(answers, broken, seconds, args.json)


def _find(paths: list[Path]) -> list[Path]:
    """Return the files that are named, and the pictures in the folders that are."""
    for path in paths:  # all of them, before a folder is walked
        if not path.exists():
            raise ValueError(f"there is no picture or folder {path}")
    found = []
    for path in paths:
        found += _list(path) if path.is_dir() else [path]
    if not found:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}")
    return found


def _list(folder: Path) -> list[Path]:
    from keras_nets.pictures import list_images

    return list_images(folder)


def _check_all(paths: list[Path]):
    """Return the pictures that can be sent, and an answer for each of the others, with its error.

    Only headers and ends of files are read, and no server is asked about a broken picture.
    """
    from export.serving.client.load_test import Answer

    good, broken = [], []
    for path in paths:
        try:
            _check(path)
            good.append(path)
        except (ValueError, OSError) as error:
            broken.append(Answer([path], 0.0, error=error))
    return good, broken


def _check(path: Path) -> None:
    from export.serving.pictures import JPEG, PNG, read_picture

    if not path.is_file():
        raise ValueError(f"{path} is no regular file")
    with path.open("rb") as file:
        head = file.read(len(PNG))
    if head.startswith((JPEG, PNG)):
        read_picture(path)
    else:
        from keras_nets.pictures import open_image

        with open_image(path):
            pass


def _recipe(args):
    """Return a function from the size of an image to the Recipe that the options ask for.

    That gives None where they do not say enough. Raises ValueError for what no server could answer.
    """
    from export.names import choose
    from keras_nets import NETS

    if args.labels:
        from export.signatures.labels import read_labels

        read_labels(args.labels)
    if args.preprocess:
        from keras_nets.recipes import read_words

        return read_words(args.preprocess).recipe
    if args.artifact and args.flavour:
        raise ValueError("--artifact has a flavour of its own: leave --flavour out")
    name, flavour = args.model, args.flavour or ""
    reported = _reported(args.artifact) if args.artifact else None
    if reported and not args.net:
        return reported
    if args.net:
        name = choose(args.net, NETS, "network", "the catalog has")
    if name in NETS and flavour:
        flavour = choose(flavour, NETS[name].flavours, "flavour", f"{name} comes as")
    return partial(_of_catalog, name if name in NETS else "", flavour)


def _of_catalog(name: str, flavour: str, image):
    """Return the recipe of a network in a flavour; None where one of them is not known."""
    from keras_nets import NETS
    from keras_nets.preprocess import recipe_for_image

    return recipe_for_image(NETS[name], flavour, image) if name and flavour else None


def _reported(folder: Path):
    """Return a function from the size of an image to the recipe of the report of an export."""
    from export.errors import ArtifactError
    from export.report.file import read_content
    from keras_nets.recipes import known_recipe

    content = read_content(folder)
    model, options = content.get("model"), content.get("options")
    if not isinstance(model, str) or not isinstance(options, dict):
        raise ArtifactError(f"the report in {folder} names no model or no options; export it again")
    source = content.get("model_source") or {}
    return partial(known_recipe, words=None, model=model, options=options, source=source)


def _classifier(client, args, recipe_of):
    """Return the function from a list of paths to their guesses, by what the model offers."""
    if "classify" in client.signatures():
        return lambda paths: client.classify([_decodable(path) for path in paths])

    import numpy as np

    from keras_nets.preprocess import preprocess

    recipe = _find_recipe(args, client.contract, recipe_of)
    labels = _read_labels(args.labels, client.contract.classifier.classes)

    def classify(paths):
        images = np.stack([preprocess(path, recipe) for path in paths])
        return client.guess(client.logits(images), labels)

    return classify


def _find_recipe(args, contract, recipe_of):
    """Return how pictures become the input of a model without `classify`."""
    from export.contract import in_words
    from keras_nets import NETS

    model, name = args.model, (args.net or args.model).casefold()
    if not contract.classifier:
        raise ValueError(
            f"{model!r} is no classifier of pictures: it takes {in_words(contract.inputs)} and "
            f"gives {in_words(contract.outputs)}; send arrays with --inputs FILE.npz"
        )
    image = contract.classifier.image
    if not all(0 < side <= LARGEST_SIDE for side in image):
        raise ValueError(
            f"{model!r} takes images {list(image)}, for which no picture can be made; its sides "
            f"should be 1 to {LARGEST_SIDE} pixels"
        )
    if recipe := recipe_of(image):
        return recipe
    flavours = f", such as {' or '.join(NETS[name].flavours)}" if name in NETS else ""
    raise ValueError(
        f"{model!r} takes no encoded pictures, and how to preprocess them depends on its "
        "network and weights, which the server does not tell: name the export with --artifact DIR, "
        "say it with --preprocess, or "
        f"{'' if name in NETS else '--net NAME and '}--flavour FLAVOUR{flavours}"
    )


def _read_labels(path: Path | None, classes: int) -> tuple[str, ...]:
    from export.signatures.labels import read_labels

    return read_labels(path, classes) if path else ()


def _decodable(path: Path) -> bytes:
    """Return a picture as the server decodes it, upright: the server ignores EXIF."""
    import io

    from PIL import Image

    from export.serving.pictures import read_picture
    from keras_nets.pictures import load_image, open_image

    with open_image(path) as image:
        as_it_is = image.format in ("JPEG", "PNG") and image.getexif().get(0x0112, 1) == 1
    if as_it_is:
        return read_picture(path)
    file = io.BytesIO()
    Image.fromarray(load_image(path)).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
