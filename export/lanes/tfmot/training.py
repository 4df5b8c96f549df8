"""Train a network for one way of compressing it: imported by scripts.

After each epoch the network is measured and a checkpoint written. The best epoch is kept, of those
in which the network is as sparse as it will be. A file called `stop` ends the training after the
part of a batch that is at work.
"""

import json
import pathlib
import time

import tf_keras as keras
from checkpoint import put
from descent import Learner
from lessons import Lessons, measure

EVERY = 0.5  # seconds between two words on how far it is
AGAIN = "pulling_indices"  # how clusters call what they make anew of weights in every step


def train(network, stage, plan, checkpoint, pruned=()):
    """Train `network`, from where its checkpoint is if that is of this stage; return the Watch.

    The kernels `pruned`, of pruning.py, advance with it. The weights are those of the best epoch
    afterwards, or, where none was whole, the last ones.
    """
    lessons = Lessons(plan["train"], plan["train_labels"], plan)
    steps = plan["epochs"] * len(lessons)
    rate = keras.optimizers.schedules.CosineDecay(plan["rate"] * stage["slower"], steps)
    learner, own = Learner(network, plan, rate), _kept(network)
    every = [*own, *learner.variables, *(one for kernel in pruned for one in kernel.variables)]
    begun = checkpoint.state.get("epoch", 0)
    if begun:
        put(every, checkpoint.read("now", len(every)))
    watch = Watch(stage, plan, checkpoint)
    for epoch in range(begun, plan["epochs"]):
        if watch.has_waited(epoch):
            break
        watch.begin(epoch)
        _learn(learner, lessons.batches(epoch), pruned, watch)
        if watch.interrupted:
            break
        watch.end(network, own, every)
    if checkpoint.state.get("best_epoch") is not None:
        put(own, checkpoint.read("best", len(own)))
    return watch


def _kept(network):
    return [one for one in network.variables if AGAIN not in one.name]


def _learn(learner, batches, pruned, watch):
    """Learn from all batches of an epoch, unless that is interrupted."""
    for images, labels in batches:
        for kernel in pruned:
            kernel.advance()
        for part in learner.learn(images, labels):
            watch.see(*part)
            if watch.interrupted:
                return
    for kernel in pruned:
        kernel.hold()


class Watch:
    """Tells how far a stage is, measures each epoch, keeps the best, and stops when that is due."""

    def __init__(self, stage, plan, checkpoint):
        self.stage, self.plan, self.checkpoint = stage, plan, checkpoint
        self.interrupted, self.told = False, 0.0

    def begin(self, epoch):
        self.epoch, self.pictures, self.loss, self.right = epoch, 0, 0.0, 0

    def see(self, pictures, loss, right):
        """Take notice of a part of a batch."""
        self.pictures += pictures
        self.loss += loss * pictures
        self.right += right
        if time.monotonic() - self.told > EVERY:
            self.told = time.monotonic()
            self._tell()
        self.interrupted = pathlib.Path(self.plan["stop"]).exists()

    def end(self, network, own, every):
        """Measure and keep a whole epoch: `own` variables of the network, and `every` one."""
        held_out = self.plan["held_out"], self.plan["held_out_labels"]
        accuracy = measure(network, *held_out, self.plan)
        self._tell(accuracy)
        best = self.checkpoint.state.get("best")
        if self.epoch + 1 >= self.stage["ready"] and (best is None or accuracy > best):
            self.checkpoint.keep("best", own)
            self.checkpoint.put(best=accuracy, best_epoch=self.epoch)
        self.checkpoint.keep("now", every)
        self.checkpoint.put(epoch=self.epoch + 1)

    def has_waited(self, epoch):
        """Whether enough epochs before `epoch` were no better than the best."""
        best = self.checkpoint.state.get("best_epoch")
        return best is not None and epoch - 1 - best >= self.plan["patience"]

    def _tell(self, accuracy=None):
        told = {
            "stage": self.stage["name"],
            "epoch": self.epoch + 1,
            "epochs": self.plan["epochs"],
            "batch_size": self.plan["batch_size"] if self.plan["fewer"] else None,
            "pictures": self.pictures,
            "of": len(self.plan["train_labels"]),
            "loss": self.loss / self.pictures,
            "accuracy": self.right / self.pictures,
            "held_out": accuracy,
        }
        with pathlib.Path(self.plan["told"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
