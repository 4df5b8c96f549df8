from export.benchmark.comparing import changes, covered
from export.benchmark.subjects import Subject


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


def test_models_of_which_anything_is_missing_are_measured_anew():
    def one(model, runtime="r"):
        return Subject(model=model, format="f", runtime=runtime, device="cpu", artifact="")

    def record(model, batch, runtime="r", threads=1):
        known = {"model": model, "format": "f", "runtime": runtime, "device": "cpu"}
        return known | {"batch": batch, "threads": threads}

    whole = [record("whole", 1), record("whole", 4)]
    partly = [record("partly", 1), record("other threads", 1, threads=2)]
    gone = [record("gone", 1), record("gone", 4)]
    subjects = [one("whole"), one("partly"), one("other threads")]
    assert covered(whole + partly + gone, subjects, (1, 4), 1) == whole
    assert covered(whole, [*subjects, one("whole", "another")], (1, 4), 1) == []
