"""Records as `tools/benchmark.py` writes them, of two models in four ways."""

MACHINE = {"cpu": "a processor", "cores": 2, "memory_bytes": 24_000_000_000, "system": "Linux"}
WAYS = [("keras", "keras", 2.0), ("savedmodel", "tensorflow", 1.0), ("onnx", "onnxruntime", 0.9),
        ("tftrt-fp16", "tensorrt", None)]  # fmt: skip
SIZES = {"alexnet": 244_000_000, "vgg13": 532_000_000}


def record(model="vgg13", batch=1, way=WAYS[2], **more):
    format, runtime, factor = way
    median = factor and factor * batch * SIZES[model] / 1e7
    found = {
        "artifact": "", "model": model, "format": format, "runtime": runtime, "device": "cpu",
        "batch": batch, "threads": None, "bytes": None if format == "keras" else SIZES[model],
        "median_ms": median, "p90_ms": median, "p99_ms": median and 2 * median,
        "images_per_s": median and 1000 * batch / median, "load_s": factor,
        "first_ms": median and 9 * median, "peak_rss_bytes": factor and int(factor * 1e9),
        "valid": factor is not None, "why": "" if factor else "needs a GPU", "ratio": factor,
        "machine": MACHINE,
    }  # fmt: skip
    return found | more


def records() -> list[dict]:
    found = [record(m, b, way) for m in SIZES for way in WAYS for b in (1, 4, 8)]
    found[4] |= {"valid": False, "why": "unstable: medians of 3 rounds lie between 3 and 9 ms"}
    return found
