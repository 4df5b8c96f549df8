"""Send arrays to any model, some samples a request, and put its answers together again."""

from collections.abc import Sequence
from dataclasses import dataclass

from export.contract import Batch, joined, part, rows
from export.serving.client.load_test import Answer, run_all
from export.serving.client.serving_client import ServingClient


@dataclass(frozen=True, kw_only=True)
class Sending:
    """How samples are sent."""

    batch: int = 1  # samples a request
    repeat: int = 1  # the whole set so many times
    concurrency: int = 1  # requests at a time


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came back; `outputs` are of the samples that were answered, in their order."""

    answers: Sequence[Answer]
    outputs: Batch
    seconds: float


def ask_all(client: ServingClient, inputs: Batch, sending: Sending) -> Outcome:
    """Send `inputs`; raises ValueError where they do not fit what the model takes.

    A request that fails is an answer with its error, and loses no other.
    """
    batch = client.fit(inputs)
    starts = range(0, rows(batch), sending.batch)
    places = [slice(at, min(at + sending.batch, rows(batch))) for at in starts]
    answers, seconds = run_all(
        lambda place: client.predict(part(batch, place)),
        places * sending.repeat,
        sending.concurrency,
    )
    good = [answer.result for answer in answers[: len(places)] if answer.error is None]
    return Outcome(answers=answers, outputs=joined(good) if good else {}, seconds=seconds)
