"""What the zoo holds: how to build each architecture, and what is refused of it.

Importing this loads neither Keras nor numpy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

SAVEDMODEL, ONNX, TFTRT = "savedmodel", "onnx", "tftrt-fp16"
FORMATS = (SAVEDMODEL, ONNX, TFTRT)
APPLICATIONS, PICTURES, OTHERS, HUB = "keras.applications", "pictures", "others", "keras-hub"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A model to export, by the words of a command line, and what should come of it."""

    name: str
    group: str
    words: str  # of --model
    arguments: Mapping = field(default_factory=dict)  # of --model-arg
    small: Mapping = field(default_factory=dict)  # the same of a smaller version
    refused: Mapping[str, str] = field(default_factory=dict)  # by format: words of the sentence
    needs: str = ""  # a package that need not be installed

    def built_with(self, small: bool = False) -> dict:
        """The arguments of the function that builds it."""
        return {**self.arguments, **(self.small if small else {})}

    def options(self, small: bool = False) -> list[str]:
        """The command line's options that build it."""
        pairs = [f"{key}={value!r}" for key, value in self.built_with(small).items()]
        return ["--model", self.words, *(word for pair in pairs for word in ("--model-arg", pair))]


def _application(name: str, side: int | None = None, least: int = 32) -> Architecture:
    """A network of keras.applications for pictures of its own size, or of `side` x `side`."""
    return Architecture(
        name=name,
        group=APPLICATIONS,
        words=f"keras.applications:{name}",
        arguments={"input_shape": (side, side, 3)} if side else {},
        small={"input_shape": (least, least, 3), "classes": 10},
    )


def _own(module: str, function: str, *, name: str = "", refused: Mapping = (), **arguments):
    return Architecture(
        name=name or function,
        group=PICTURES if module == "pictures" else OTHERS,
        words=f"keras_nets.zoo.{module}:{function}",
        arguments=arguments,
        refused=dict(refused),
    )


def _hub(network: str, refused: Mapping = ()) -> Architecture:
    return Architecture(
        name=f"{network}_hub",
        group=HUB,
        words="keras_nets.zoo.hub:classifier",
        arguments={"network": network},
        refused=dict(refused),
        needs="keras_hub",
    )


def _everywhere(words: str) -> dict[str, str]:
    return dict.fromkeys(FORMATS, words)


TEXT = {ONNX: "is text", TFTRT: "is text"}
FREE = {TFTRT: "give it a fixed size"}
GAPS = _everywhere("is a transposed convolution with gaps")
FEW_BITS = {TFTRT: "of which TF-TRT makes no engine"}
GROUPS = {TFTRT: "builds no engine of convolutions in groups"}
LOOP = {TFTRT: "takes no loop into an engine"}
UNTOLD = _everywhere("does not tell what it takes; give it some inputs")

ARCHITECTURES = (
    _application("ResNet50"),
    _application("ResNet50V2"),
    _application("MobileNet"),
    _application("MobileNetV2"),
    _application("MobileNetV3Small", 224),
    _application("EfficientNetB0"),
    _application("EfficientNetV2B0"),
    _application("DenseNet121"),
    _application("InceptionV3", 299, 75),
    _application("InceptionResNetV2", 299, 75),
    # Weights of a seed alone leave it near to chaos; see settled.py.
    Architecture(
        name="Xception",
        group=APPLICATIONS,
        words="keras_nets.zoo.settled:application",
        arguments={"network": "Xception", "side": 299},
        small={"side": 71},
    ),
    _application("NASNetMobile"),
    _application("ConvNeXtTiny"),
    *(
        _own("pictures", name)
        for name in (
            "vit", "convmixer", "mlp_mixer", "unet", "detector", "group_norm",
            "uneven_strides", "gated", "pixels", "whole_pixels",
            "probabilities", "twins", "activations",
        )
    ),
    _own("pictures", "dilated_transpose", refused=GAPS),
    _own("pictures", "dilated_depthwise"),
    _own("pictures", "resnext", refused=GROUPS),
    _own("pictures", "any_size", refused=FREE),
    _own("pictures", "channels_first", refused=_everywhere("layer first takes channels first")),
    _own("pictures", "mixed_precision", name="mixed_float16", policy="mixed_float16"),
    _own("pictures", "mixed_precision", name="mixed_bfloat16", policy="mixed_bfloat16"),
    _own("sequences", "lstm_text", refused=LOOP),
    _own("sequences", "gru_text", refused=FREE),
    *(
        _own("sequences", name)
        for name in ("audio", "film", "each_frame")
    ),
    _own("sequences", "transformer_text", refused={TFTRT: "takes no causal mask"}),
    _own("sequences", "conv_lstm", refused=LOOP),
    *(_own("several", name) for name in ("two_inputs", "two_outputs", "siamese", "nested")),
    _own("words", "text_vectorization", refused=TEXT),
    _own("words", "string_lookup", refused=TEXT),
    _own("words", "integer_lookup", refused={
        ONNX: "no conversion of the operation LowerBound", TFTRT: "takes no look-up"}),
    _own("unusual", "subclassed"),
    _own("unusual", "subclassed_fresh", refused=UNTOLD),
    _own("unusual", "sequential"),
    _own("unusual", "sequential_fresh", refused=UNTOLD),
    _own("unusual", "quantized", name="quantized_int8", mode="int8", refused=FEW_BITS),
    _own("unusual", "quantized", name="quantized_int4", mode="int4", refused=FEW_BITS),
    _own("unusual", "quantized", name="quantized_float8", mode="float8", refused={
        **FEW_BITS, ONNX: "computes in float8_e4m3fn, which ONNX of opset 17 has not"}),
    *(_own("unusual", name) for name in ("lora", "bare_operations", "spectral")),
    _own("unusual", "augmented", refused={TFTRT: "takes no bilinear resizing"}),
    *(
        _hub(network)
        for network in (
            "CSPNet", "DeiT", "DenseNet", "EfficientNet", "MiT", "ResNet", "SwinTransformer",
            "VGG", "ViT", "Xception", "HGNetV2",
        )
    ),
)  # fmt: skip


def find(names) -> list[Architecture]:
    """Return the architectures called `names`, all if none; ValueError for what is no name."""
    known = {one.name: one for one in ARCHITECTURES}
    for name in names or ():
        if name not in known:
            raise ValueError(f"the zoo has no {name!r}; it has {', '.join(known)}")
    return [known[name] for name in names] if names else list(ARCHITECTURES)
