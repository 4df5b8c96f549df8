from export.benchmark.comparing import changes


def record(low, high, **more):
    known = {"model": "vgg13", "format": "onnx", "runtime": "onnxruntime", "device": "cpu"}
    known |= {"batch": 1, "threads": None, "valid": True, "median_ms": (low + high) / 2}
    return {**known, "median_low_ms": low, "median_high_ms": high, **more}


def test_what_lies_apart_became_faster_or_slower():
    assert changes([record(10, 11)], [record(5, 6)]) == [
        "vgg13/onnx in onnxruntime at batch 1 became faster: 10.5 to 5.5 ms"
    ]
    assert changes([record(10, 11)], [record(10.5, 12)]) == [
        "none of 1 figures differs by more than chance does"
    ]


def test_figures_that_are_not_valid_or_not_the_same_are_not_compared():
    nothing = ["nothing that was measured before was measured again"]
    assert changes([record(10, 11)], [record(5, 6, valid=False)]) == nothing
    assert changes([record(10, 11)], [record(5, 6, batch=4)]) == nothing


def test_a_median_without_an_upper_bound_is_never_called_faster():
    assert changes([record(10, 11)], [record(5, 6, median_high_ms=None)])[0].startswith("none")
