"""What is seen of a network's activations while it runs on images, in whatever process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from export.errors import ExportError

EVERY = 16  # images between two notes of progress, and in a piece for an actor
See = Callable[[int, np.ndarray], np.ndarray]  # number and image (h, w, channels) -> what is seen


@dataclass(frozen=True, kw_only=True)
class Look:
    """How to run a network and what to see: the extremes of each tensor, or histograms of it.

    An image gives float64 (tensors, 2), lowest and highest; with `bins`, int64 (tensors, bins) of
    how many numbers fall in each bin between an edge below 0 and the same above.
    """

    model: bytes  # ONNX with its weights as inputs, which gives what is looked at
    names: tuple[str, ...]  # of the tensors; the image is the last
    bins: int = 0
    edges: tuple[float, ...] = ()  # of each tensor

    def open(self, fed: Mapping[str, np.ndarray], threads: int = 0) -> See:
        """What looks at one image after another; `fed` are the weights, 0 threads are all."""
        run = self.session(fed, threads)
        if not self.bins:
            return lambda number, image: self._extremes(number, image, run(image))
        return lambda number, image: self._histograms((*run(image), image))

    def join(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """What is seen of two sets of images together."""
        if self.bins:
            return one + other
        low, high = np.minimum(one, other)[:, 0], np.maximum(one, other)[:, 1]
        return np.stack([low, high], axis=1)

    def session(self, fed: Mapping[str, np.ndarray], threads: int):
        """A function from an image to the outputs of the model.

        These are the lowest and the highest number of each tensor but the image, one after the
        other, or with `bins` all numbers of each.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 3, threads
        session = onnxruntime.InferenceSession(
            self.model, options, providers=["CPUExecutionProvider"]
        )
        (given,) = (value.name for value in session.get_inputs() if value.name not in fed)
        return lambda image: session.run(
            None, {given: np.ascontiguousarray(image[None], np.float32), **fed}
        )

    def _extremes(self, number: int, image: np.ndarray, outputs: list) -> np.ndarray:
        found = np.reshape([*map(float, outputs), image.min(), image.max()], (-1, 2))
        for name, (low, high) in zip(self.names, found.tolist(), strict=True):
            if not np.isfinite([low, high]).all():
                raise ExportError(
                    f"image {number} makes {name} go from {low} to {high}, which has no range; "
                    "look at the layer, or leave that image out"
                )
        return found

    def _histograms(self, tensors: tuple) -> np.ndarray:
        return np.stack(
            [
                np.histogram(values, self.bins, range=(-edge, edge))[0]
                for values, edge in zip(tensors, self.edges, strict=True)
            ]
        )
