"""How pictures become inputs of a model outside the catalog: what --preprocess says of it.

    scale=127.5,mean=127.5                         (pixel - mean) / scale, pixels of 0..255
    scale=58.4:57.1:57.4,mean=123.7:116.3:103.5    the same, a number for each channel
    scale=1,short=256,resample=opencv,order=bgr    the shorter side, how it is resized, the order
    vgg13, vgg13:torchvision                       as a network of the catalog, in a flavour
    keras.applications:ResNet50                    as a network of Keras

Pictures are cropped square from their centre. Without `short` the shorter side becomes the crop.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from keras_nets.catalog import NETS, find_net
from keras_nets.preprocess import MEAN, STD, Recipe, recipe_for_image
from keras_nets.sources.catalog import network

KERAS = "keras.applications:"
MOST = 1e6  # of a scale or a mean
WHITE = 255.0  # what a pixel of 1 is in a byte
KEYS = ("scale", "mean", "short", "resample", "order")
FORM = (
    "--preprocess is scale=NUMBER,mean=NUMBER (and short=PIXELS, resample=NAME, order=bgr), a "
    f"network of the catalog such as vgg13:torchvision, or {KERAS}Name"
)
# Modes of keras.applications' own `preprocess_input`, by how the names of networks begin: scale and
# mean of a pixel, in the order of its channels.
_BGR = ((1.0,) * 3, (103.939, 116.779, 123.68), "bgr")
_ONES = ((127.5,) * 3, (127.5,) * 3, "rgb")
_TORCH = (tuple(WHITE * one for one in STD), tuple(WHITE * one for one in MEAN), "rgb")
_RAW = ((1.0,) * 3, (0.0,) * 3, "rgb")
MODES = {
    "resnet50v2": _ONES,
    "resnet101v2": _ONES,
    "resnet152v2": _ONES,
    "resnet": _BGR,
    "vgg": _BGR,
    "densenet": _TORCH,
    "efficientnet": _RAW,
    "mobilenetv3": _RAW,
    "convnext": _RAW,
    "inception": _ONES,
    "mobilenet": _ONES,
    "nasnet": _ONES,
    "xception": _ONES,
}


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What words say of a picture; the size of the crop is the model's to say."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of pixels of 0..255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    order: str = "rgb"
    resample: str = "pillow"
    short: int | None = None  # pixels; None: the crop
    margin: bool = False  # the shorter side is 8/7 of the crop, as networks of 224 are measured
    network: str = ""  # of the catalog, whose recipe it is
    flavour: str = ""

    def recipe(self, image: tuple[int, int, int]) -> Recipe:
        """Return the recipe for images (height, width, channels); ValueError if there is none."""
        if self.network:
            net = NETS[self.network]
            return recipe_for_image(net, self.flavour or net.flavours[0], image)
        height, width, channels = image
        if height != width or channels != 3:
            raise ValueError(
                f"this model takes images {height}x{width}x{channels}; pictures are cropped square "
                "and have 3 channels"
            )
        short = self.short or (round(height * 256 / 224) if self.margin else height)
        return Recipe(
            crop=height,
            short=short,
            mean=tuple(value / WHITE for value in self.mean),
            std=tuple(value / WHITE for value in self.scale),
            resample=self.resample,
            order=self.order,
        )


def read_words(words: str) -> Preprocess:
    """Read what --preprocess says; ValueError, in one line, where it says nothing."""
    if words.startswith(KERAS):
        return _of_keras(words)
    if "=" in words:
        return _of_pairs(words)
    name, _, flavour = words.partition(":")
    try:
        net = find_net(name.casefold())
    except ValueError as error:
        raise ValueError(f"{error}; {FORM}") from None
    if flavour and flavour not in net.flavours:
        known = ", ".join(net.flavours)
        raise ValueError(f"{net.name} has no flavour {flavour!r}; it comes as {known}")
    return Preprocess(network=net.name, flavour=flavour)


def of_option(words: str, model: str, in_catalog: bool) -> Preprocess:
    """Read what --preprocess says of `model`; ValueError for one whose way is in the catalog."""
    if in_catalog:
        raise ValueError(
            "--preprocess is for models outside the catalog; leave it out, because "
            f"{model} has a way of its own to take pictures"
        )
    return read_words(words)


def of_model(words: str, arguments: Mapping) -> Preprocess | None:
    """What is known of a model by the words of --model; None of any that is not of Keras' own."""
    if not words.startswith(KERAS) or "include_preprocessing" in arguments:
        return None
    try:
        return _of_keras(words)
    except ValueError:
        return None


def known_recipe(
    image: tuple[int, int, int],
    *,
    words: str | None,
    model: str,
    options: Mapping,
    source: Mapping,
) -> Recipe | None:
    """The recipe for images of an artifact; None where nothing says it.

    That is by the `words` of --preprocess, else by what its report says: `model`, `options` and
    `model_source`. Raises ValueError for words that say nothing, or pictures that cannot be such
    images.
    """
    if words:
        return read_words(words).recipe(image)
    if kept := of_report(options.get("preprocess")):
        return kept
    name, flavour = network(model, dict(source)), str(options.get("flavour") or "")
    if name:
        flavours = NETS[name].flavours
        return recipe_for_image(NETS[name], flavour if flavour in flavours else flavours[0], image)
    arguments = source.get("arguments")
    found = of_model(str(source.get("source", "")), arguments if arguments else {})
    return found and found.recipe(image)


def as_report(recipe: Recipe) -> dict:
    """What report.json holds of a recipe."""
    listed = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return {key: list(one) if isinstance(one, tuple) else one for key, one in listed.items()}


def of_report(content) -> Recipe | None:
    """The recipe that a report holds, None where it holds none; ValueError for one that is damaged.

    Reports are files that anybody can write.
    """
    if content is None:
        return None
    try:
        three = {name: tuple(map(float, content[name])) for name in ("mean", "std")}
        if not all(len(one) == 3 and all(map(math.isfinite, one)) for one in three.values()):
            raise ValueError("it has no three channels")
        if 0.0 in three["std"]:
            raise ValueError("it divides by 0")
        return Recipe(
            crop=int(content["crop"]),
            short=int(content["short"]),
            resample=str(content["resample"]),
            order=str(content["order"]),
            **three,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"the report's `preprocess` is damaged ({type(error).__name__}: {error}); say it with "
            "--preprocess"
        ) from error


def _of_keras(words: str) -> Preprocess:
    name = words.removeprefix(KERAS).casefold()
    found = next((mode for start, mode in MODES.items() if name.startswith(start)), None)
    if found is None:
        raise ValueError(f"how {words} takes pictures is not known here; {FORM}")
    scale, mean, order = found
    return Preprocess(scale=scale, mean=mean, order=order, margin=True)


def _of_pairs(words: str) -> Preprocess:
    found = {}
    for pair in words.split(","):
        key, _, value = pair.partition("=")
        if key.strip() not in KEYS or not value.strip() or key.strip() in found:
            raise ValueError(f"{FORM}. Received: {pair!r:.80} in {words!r:.160}")
        found[key.strip()] = value.strip()
    numbers = {
        name: _channels(name, found.pop(name)) for name in ("scale", "mean") if name in found
    }
    if 0.0 in numbers.get("scale", ()):
        raise ValueError(f"--preprocess divides by its scale, which cannot be 0: {words!r:.160}")
    if "short" in found:
        found["short"] = _pixels(found["short"])
    made = Preprocess(**numbers, **found)
    Recipe(  # which refuses an unknown order or resampling
        crop=1, short=1, mean=made.mean, std=made.scale, resample=made.resample, order=made.order
    )
    return made


def _channels(name: str, text: str) -> tuple[float, float, float]:
    try:
        values = tuple(float(part) for part in text.split(":"))
    except ValueError:
        values = ()
    if len(values) not in (1, 3) or not all(abs(value) <= MOST for value in values):  # NaN too
        raise ValueError(
            f"--preprocess {name} is a number, or three as in {name}=1:2:3. Received: {text!r:.80}"
        )
    return values * 3 if len(values) == 1 else values


def _pixels(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 8192):
        raise ValueError(f"--preprocess short is pixels, 1 to 8192. Received: {text!r:.80}")
    return int(text)
