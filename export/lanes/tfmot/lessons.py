"""Pictures to train on, a batch at a time, from arrays that stay on disk: imported by scripts.

Images are .npy files, uint8 (n, height, width, channels) to be normalised, or float32 that is. They
may be larger than the network's image: training cuts out a part at random, measuring the middle.
"""

import numpy as np

BYTE = np.float32(1 / 255)
SHARE = 8  # where pictures are no larger than the image, shifts are up to a part in so many


class Lessons:
    """Batches of images (batch, height, width, channels) and labels (batch,), shuffled by a seed.

    The same seed and epoch give the same batches, so that a run can be taken up again.
    """

    def __init__(self, images, labels, plan):
        self.images, self.labels = np.load(images, mmap_mode="r"), labels
        self.plan = plan

    def __len__(self):
        """How many batches an epoch has."""
        return -(-len(self.labels) // self.plan["batch_size"])

    def batches(self, epoch):
        """Yield all batches of an epoch."""
        random, count = np.random.default_rng([self.plan["seed"], epoch]), len(self.labels)
        order, draws = random.permutation(count), random.random((count, 3))
        for start in range(0, count, self.plan["batch_size"]):
            part = slice(start, start + self.plan["batch_size"])
            pairs = zip(order[part], draws[part])  # noqa: B905 (Python 3.9 has no strict)
            batch = [self._varied(self.images[at], *draw) for at, draw in pairs]
            yield normalised(np.stack(batch), self.plan), self.labels[order[part]]

    def _varied(self, picture, down, along, side):
        height, width = self.plan["image"][:2]
        if not self.plan["crops"]:
            picture = middle(picture, height, width)
        else:
            if picture.shape[:2] == (height, width):
                edge = ((height // SHARE,) * 2, (width // SHARE,) * 2, (0, 0))
                picture = np.pad(picture, edge, mode="edge")
            top = int(down * (picture.shape[0] - height + 1))
            left = int(along * (picture.shape[1] - width + 1))
            picture = picture[top : top + height, left : left + width]
        return picture[:, ::-1] if self.plan["flips"] and side < 0.5 else picture


def middle(picture, height, width):
    """The part of `picture` around its middle."""
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def normalised(batch, plan):
    """`batch` as the network takes it, float32."""
    if batch.dtype != np.uint8:
        return batch.astype(np.float32)
    mean, std = np.float32(plan["mean"]), np.float32(plan["std"])
    return (batch * BYTE - mean) / std


def measure(model, images, labels, plan):
    """The share of `images`, a .npy file, that `model` takes for what they are."""
    return float((logits_of(model, images, plan).argmax(axis=1) == labels).mean())


def logits_of(model, images, plan):
    """The logits (n, classes) of `images`, a .npy file."""
    held, parts, size = np.load(images, mmap_mode="r"), [], plan["part"]
    height, width = plan["image"][:2]
    for start in range(0, len(held), size):
        batch = np.stack([middle(one, height, width) for one in held[start : start + size]])
        parts.append(model(normalised(batch, plan), training=False).numpy())
    return np.concatenate(parts)
