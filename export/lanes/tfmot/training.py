"""Train a network that was wrapped for one way of compressing it: imported by scripts.

After each epoch the network is measured and a checkpoint written. The best epoch is kept, of those
in which the network is as sparse as it will be. A file called `stop` ends the training after the
batch that is at work.
"""

import json
import pathlib
import time

import tf_keras as keras
from checkpoint import put
from lessons import Lessons, measure

EVERY = 0.5  # seconds between two words on how far it is
MOMENTUM = 0.9


def train(wrapped, stage, plan, checkpoint, callbacks=()):
    """Train `wrapped`, from where its checkpoint is if that is of this stage; return the Watch.

    The weights are those of the best epoch afterwards, or, where none was whole, the last ones.
    """
    lessons = Lessons(plan["train"], plan["train_labels"], plan, checkpoint.state.get("epoch", 0))
    steps = plan["epochs"] * len(lessons)
    rate = keras.optimizers.schedules.CosineDecay(plan["rate"] * stage["slower"], steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=plan["logits"])
    wrapped.compile(_optimizer(plan["optimizer"], rate), loss, metrics=["accuracy"])
    begun = checkpoint.state.get("epoch", 0)
    if begun:
        wrapped.optimizer.build(wrapped.trainable_variables)
        put(_all(wrapped), checkpoint.read("now", len(_all(wrapped))))
    watch = Watch(stage, plan, checkpoint)
    waited = begun - checkpoint.state.get("best_epoch", begun)
    if waited < plan["patience"]:
        wrapped.fit(
            lessons,
            epochs=plan["epochs"],
            initial_epoch=begun,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, watch],
        )
    if checkpoint.state.get("best_epoch") is not None:
        put(wrapped.variables, checkpoint.read("best", len(wrapped.variables)))
    return watch


def _optimizer(name, rate):
    if name == "sgd":
        return keras.optimizers.SGD(rate, momentum=MOMENTUM)
    return keras.optimizers.Adam(rate)


def _all(wrapped):
    return [*wrapped.variables, *wrapped.optimizer.variables]


class Watch(keras.callbacks.Callback):
    """Tells how far a stage is, measures each epoch, keeps the best, and stops when that is due."""

    def __init__(self, stage, plan, checkpoint):
        super().__init__()
        self.stage, self.plan, self.checkpoint = stage, plan, checkpoint
        self.interrupted, self.told, self.epoch = False, 0.0, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.told > EVERY:
            self.told = time.monotonic()
            self._tell((batch + 1) * self.plan["batch_size"], logs)
        if pathlib.Path(self.plan["stop"]).exists():
            self.interrupted = self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if self.interrupted:
            return
        held_out = self.plan["held_out"], self.plan["held_out_labels"]
        accuracy = measure(self.model, *held_out, self.plan)
        self._tell(len(self.plan["train_labels"]), logs, accuracy)
        best = self.checkpoint.state.get("best")
        if epoch + 1 >= self.stage["ready"] and (best is None or accuracy > best):
            self.checkpoint.keep("best", self.model.variables)
            self.checkpoint.put(best=accuracy, best_epoch=epoch)
        self.checkpoint.keep("now", _all(self.model))
        self.checkpoint.put(epoch=epoch + 1)
        waited = epoch - self.checkpoint.state.get("best_epoch", epoch)
        if waited >= self.plan["patience"]:
            self.model.stop_training = True

    def _tell(self, pictures, logs, accuracy=None):
        of = len(self.plan["train_labels"])
        told = {
            "stage": self.stage["name"],
            "epoch": self.epoch + 1,
            "epochs": self.plan["epochs"],
            "pictures": min(pictures, of),
            "of": of,
            "loss": float((logs or {}).get("loss", 0.0)),
            "accuracy": float((logs or {}).get("accuracy", 0.0)),
            "held_out": accuracy,
        }
        with pathlib.Path(self.plan["told"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
