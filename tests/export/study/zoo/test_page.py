"""docs/zoo.md, from what was recorded."""

from export.study.zoo.page import write_page
from export.study.zoo.record import FAILED, REFUSED, VERIFIED, Record

GROUPS = {"big": "keras.applications", "vit": "pictures", "lstm": "others"}


def page(tmp_path, *records):
    path = tmp_path / "zoo.md"
    write_page(path, {one.key: one for one in records}, GROUPS, "900 seconds or 10 GB")
    return path.read_text()


def rows(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| " + " | ".join(words))]


def test_verdicts_stand_by_group_in_the_order_of_the_listing(tmp_path):
    text = page(
        tmp_path,
        Record("lstm", "onnx", VERIFIED, error=2e-7, wall_s=9.0, peak_bytes=900_000_000,
               artifact_bytes=1000, together=True),
        Record("vit", "tftrt", VERIFIED, engines=1, engine_checked=False, artifact_bytes=1000),
        Record("big", "onnx", VERIFIED, peak_bytes=3_000_000_000, artifact_bytes=100_000_000),
    )  # fmt: skip
    assert [line for line in text.splitlines() if line.startswith("## ")][:3] == [
        "## keras.applications",
        "## pictures",
        "## others",
    ]
    assert rows(text, "lstm", "onnx")[0].endswith("| 2e-07 | \u2013 | 9.0 s | 900.0 MB | 1.00 GB |")
    assert "verified, engine unseen" in rows(text, "vit")[0] and "1, outside: nothing" in text
    assert "**3.00 GB** | 1.25 GB" in rows(text, "big")[0]
    assert rows(text, "keras.applications") == ["| keras.applications | 1 verified | 1 not run |"]


def test_a_process_for_one_format_is_marked_and_a_cost_that_is_not_known_is_left_out(tmp_path):
    text = page(
        tmp_path,
        Record("vit", "onnx", VERIFIED, wall_s=9.0, peak_bytes=900_000_000, artifact_bytes=1000),
        Record("vit", "tftrt", REFUSED, line="no", together=True),
    )
    assert rows(text, "vit", "onnx")[0].endswith("| 9.0 s \\* | 900.0 MB | 1.00 GB |")
    assert rows(text, "vit", "tftrt")[0].endswith("| \u2013 | \u2013 | \u2013 |")


def test_the_form_of_an_engine_stands_beside_what_is_outside_of_it(tmp_path):
    known = {"engines": 1, "engine_checked": False, "artifact_bytes": 1000}
    text = page(
        tmp_path,
        Record("vit", "tftrt", VERIFIED, outside="2 Cast; explicit batch, as it was", **known),
        Record("lstm", "tftrt", VERIFIED, outside="; explicit batch", **known),
    )
    assert "| 1, outside: 2 Cast; explicit batch |" in rows(text, "vit")[0]
    assert "| 1, outside: nothing; explicit batch |" in rows(text, "lstm")[0]


def test_each_sentence_of_a_refusal_stands_once_with_its_formats(tmp_path):
    said = {"line": "no such layer"}
    text = page(
        tmp_path,
        Record("vit", "onnx", REFUSED, **said),
        Record("vit", "savedmodel", REFUSED, **said),
        Record("lstm", "onnx", FAILED, line="parity: far off"),
    )
    assert "- `vit` to onnx, savedmodel, refused: no such layer\n" in text
    assert "- `lstm` to onnx, **fails**: parity: far off\n" in text
    assert "None was run." in text


def test_others_stand_beside_ours(tmp_path):
    text = page(
        tmp_path,
        Record(
            "big", "onnx", VERIFIED, wall_s=20.0, peak_bytes=1_500_000_000, machine="A machine."
        ),
        Record("big", "onnx", VERIFIED, converter="tf2onnx", wall_s=55.0, peak_bytes=7_700_000_000),
    )
    assert "\n\nA machine.\n\n|" in text
    (row,) = rows(text, "big to onnx", "tf2onnx")
    assert row.endswith("| done | 55.0 s | 7.70 GB | 20.0 s | 1.50 GB |")
