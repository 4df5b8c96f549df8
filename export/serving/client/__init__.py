"""A client of TF Serving: pictures in, guesses out, over REST or gRPC.

with ServingClient("grpc://127.0.0.1:8500", "vgg13") as client:
    for guess in client.classify(["cat.jpg"])[0]:
        print(f"{guess.probability:.3f} {guess.label}")

Importing this package loads neither numpy nor gRPC.
"""

from export.lazy import on_first_use

_HOMES = {
    "Backoff": "export.serving.client.retry",
    "Guess": "export.serving.client.serving_client",
    "ServerError": "export.serving.client.retry",
    "ServingClient": "export.serving.client.serving_client",
}
__all__ = sorted(_HOMES)
__getattr__ = on_first_use(__name__, _HOMES)
