"""A model as a command line asks for it, and what can be known of it before Keras loads."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_nets.catalog import Net
from keras_nets.sources import applications, catalog, read_arguments


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to build, and what to fill it with."""

    words: str  # as for `sources.check`
    weights: str | None = None  # a file, or imagenet
    seed: int = 0
    classes: int | None = None
    size: tuple[int, int] | None = None  # height and width in pixels
    arguments: tuple[str, ...] = ()  # KEY=VALUE each
    custom_objects: tuple[str, ...] = ()
    allow_unsafe: bool = False

    @classmethod
    def of(cls, args, words: str | None = None) -> "Request":
        """Return what the parsed options of a tool ask for; `words` stand for its --model.

        Tools that build a model again have no --seed, --classes and --image-size.
        """
        words = args.model if words is None else words
        return cls(
            words=words or "",
            weights=args.weights and str(args.weights),
            seed=getattr(args, "seed", 0),
            classes=getattr(args, "classes", None),
            size=getattr(args, "image_size", None),
            arguments=tuple(args.model_arg),
            custom_objects=tuple(args.custom_objects),
            allow_unsafe=args.allow_unsafe,
        )

    @property
    def net(self) -> Net | None:
        """The network of the catalog that is asked for; None if it is of another source."""
        return catalog.find(self.words) if catalog.fits(self.words) else None

    @property
    def image(self) -> tuple[int, int, int] | None:
        """Height, width and channels; None to take the network's own."""
        return (*self.size, 3) if self.size else None

    def check(self) -> None:
        """Raise ValueError for what does not fit the model, as far as words tell."""
        read_arguments(self.arguments)
        net = self.net
        if net is None:
            self._check_sizes()
        elif self.arguments:
            raise ValueError(
                f"--model-arg is for functions; {self.words} takes --classes and --image-size"
            )
        else:
            self._refuse_small(net, net.flavours if self.weights else net.flavours[:1])

    @property
    def built_with(self) -> dict:
        """The arguments that a model outside the catalog is built with.

        Networks of keras.applications take a size and classes by names that are known. Raises
        ValueError for an argument that is none, or is said twice.
        """
        said = read_arguments(self.arguments)
        if not applications.fits(self.words):
            return said
        known = {"input_shape": self.image, "classes": self.classes}
        asked = {name: value for name, value in known.items() if value is not None}
        if twice := sorted(asked.keys() & said.keys()):
            raise ValueError(
                f"--model-arg {twice[0]} says again what --image-size or --classes says; give one "
                "of them"
            )
        return said | asked

    def _check_sizes(self) -> None:
        """Raise ValueError for a size or classes that the model cannot be given."""
        self.built_with  # noqa: B018, it raises
        if self.classes and not applications.fits(self.words):
            raise ValueError(
                f"--classes is for networks of the catalog and of keras.applications; {self.words} "
                "takes what it is built with by --model-arg KEY=VALUE"
            )

    def _refuse_small(self, net: Net, flavours: tuple[str, ...]) -> None:
        """Raise ValueError if the image is too small for each of `flavours`."""
        size = self.size or net.image[:2]
        smallest = min(net.smallest[flavour] for flavour in flavours)
        if min(size) < smallest:
            raise ValueError(
                f"{net.name} takes images of at least {smallest}x{smallest} pixels. "
                f"Received: --image-size {size[0]}x{size[1]}"
            )

    def read_weights(self, bar: Callable) -> "Settled":
        """Find the weights file, and see what it is of; `bar` shows how far a download is.

        Raises ValueError, of which WeightsError is one, if the file and the request do not fit.
        """
        net = self.net
        if net is None or not self.weights:
            flavour = net.flavours[0] if net else ""
            return Settled(self, self.weights, flavour, self.classes or 1000)
        from keras_nets.weights import identify_weights, resolve_weights

        path = str(resolve_weights(net, self.weights, bar))
        identity = identify_weights(net, path)
        classes = identity.classes or self.classes
        self._refuse_small(net, (identity.flavour,))
        if self.classes not in (None, classes):
            raise ValueError(
                f"{path} has {classes} classes, and --classes asks for {self.classes}; "
                "leave --classes out to take the file's"
            )
        return Settled(self, path, identity.flavour, classes)


@dataclass(frozen=True)
class Settled:
    """A request whose weights were found."""

    request: Request
    weights: str | None  # path of a file; None for seeded ones, or the model's own
    flavour: str
    classes: int

    def recipe(self):
        """Return how pictures become images of a network of the catalog, a `Recipe`."""
        from keras_nets.preprocess import recipe_for_image

        net = self.request.net
        return recipe_for_image(net, self.flavour, self.request.image or net.image)

    def prepare(self):
        """Build the model and fill it; return a `Prepared`, or raise ValueError in one line."""
        from keras_nets.sources.filling import prepare_source

        asked = self.request
        built = {"classes": asked.classes, "image": asked.image}
        return prepare_source(
            asked.words,
            built if asked.net else asked.built_with,
            custom_objects=asked.custom_objects,
            allow_unsafe=asked.allow_unsafe,
            weights=self.weights,
            seed=asked.seed,
            size=None if asked.net or applications.fits(asked.words) else asked.size,
        )
