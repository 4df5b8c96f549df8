"""Many reports on one page: found at any depth, foreign files named, links that hold."""

import json
import re

import pytest
from report_content import content

from export.html import overview
from export.report.file import PAGE


def put(folder, told, page=True):
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(told if isinstance(told, str) else json.dumps(told))
    if page:
        (folder / PAGE).touch()
    return folder


def test_reports_are_found_at_any_depth_but_not_in_hidden_folders(tmp_path):
    put(tmp_path / "a" / "vgg13" / "onnx", content("vgg13"))
    put(tmp_path / "alexnet" / "onnx", content("alexnet"))
    put(tmp_path / ".staging" / "x" / "artifact", content("unfinished"))
    found = overview.collect([tmp_path, tmp_path / "a"])
    assert [entry.facts.model for entry in found.entries] == ["alexnet", "vgg13"]
    assert not found.unread


@pytest.mark.parametrize(
    "told, why",
    [
        ("{", "Expecting property name"),
        ("[]", "names no schema"),
        ('{"schema": 3}', "of schema 3"),
        ('{"schema": 1, "model": 3, "format": "x", "checks": [{}]}', "without model"),
        ('{"schema": 1, "model": "m", "format": "x", "checks": []}', "without checks"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "Expecting value"),
        ("[" * 100_000, "nested without end"),
    ],
)
def test_foreign_files_are_named_and_left_out(tmp_path, told, why):
    put(tmp_path / "good", content())
    bad = put(tmp_path / "bad", told)
    found = overview.collect([tmp_path])
    assert len(found.entries) == 1
    assert [path for path, _ in found.unread] == [bad / "report.json"]
    assert why in found.unread[0][1]
    page = overview.render(found, tmp_path)
    assert str(bad / "report.json") in page and "1 file could not be read" in page


def test_bytes_that_are_no_text_are_left_out(tmp_path):
    put(tmp_path / "bad", content())
    (tmp_path / "bad" / "report.json").write_bytes(b'{"schema": "\xff"}')
    assert "utf-8" in overview.collect([tmp_path]).unread[0][1]


def test_links_are_relative_and_escaped(tmp_path):
    put(tmp_path / "exports" / 'a "b" #c?%d' / "onnx", content())
    put(tmp_path / "exports" / "plain" / "onnx", content("alexnet"), page=False)
    found = overview.collect([tmp_path / "exports"])
    page = overview.render(found, tmp_path / "site")
    links = set(re.findall(r'href="(\.[^"]*)"', page))
    assert links == {
        "./../exports/a%20%22b%22%20%23c%3F%25d/onnx/report.html",
        "./../exports/plain/onnx/",
    }


def test_what_failed_is_named_beside_the_verdict(tmp_path):
    put(tmp_path / "onnx", content())
    put(tmp_path / "onnx.failed", content(passed=False, parity=0.37))
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert "1 of 2 artifacts verified" in page
    folded = page[page.index("<details>") : page.index("</details>")]
    assert "<strong>vgg13 onnx (onnx.failed)</strong>: parity failed" in folded


def test_reasons_do_not_run_into_each_other(tmp_path):
    put(tmp_path / "onnx", {**content(), "passed": False})
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert "The report does not say that the artifact passed; The checks would let through" in page
    assert "bugs: 6-bit weights; engine was not checked: needs a GPU" in page


def test_artifacts_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    for place in ("a", "b c/d", "b c/e"):
        put(tmp_path / place / "vgg13" / "onnx", content())
        put(tmp_path / place / "vgg13" / "savedmodel", content(format="savedmodel"))
    put(tmp_path / "a" / "vgg13" / "onnx.failed", content(passed=False))
    put(tmp_path / "a" / "alexnet" / "onnx", content("alexnet"))
    found = overview.collect([tmp_path])
    labels = [(entry.facts.model, entry.label) for entry in found.entries]
    assert labels == [
        ("alexnet", "onnx"),
        ("vgg13", "onnx (onnx.failed)"),
        *(("vgg13", f"onnx in {place}/vgg13/onnx") for place in ("a", "b c/d", "b c/e")),
        *(
            ("vgg13", f"savedmodel in {place}/vgg13/savedmodel")
            for place in ("a", "b c/d", "b c/e")
        ),
    ]
    page = overview.render(found, tmp_path)
    for place in ("a", "b c/d", "b c/e"):
        assert f"<span>onnx in {place}/vgg13/onnx</span>" in page  # the table
        assert page.count(f"<small>in {place}/vgg13/onnx</small>") == 1  # at a glance


def test_a_folder_within_another_is_told_from_it(tmp_path):
    put(tmp_path / "onnx", content())
    put(tmp_path / "old" / "onnx", content())
    found = overview.collect([tmp_path])
    assert [entry.label for entry in found.entries] == ["onnx in old/onnx", "onnx in onnx"]


def test_only_the_script_that_belongs_to_the_page_may_run(tmp_path):
    put(tmp_path / "onnx", content())
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert page.count("<script>") == 1
    assert re.search(r"script-src &#39;sha256-[\w+/=]{44}&#39;", page)


def test_a_page_of_many_models_stays_small_and_the_same(tmp_path):
    for model in range(20):
        for name in ("onnx", "savedmodel", "tftrt-fp16"):
            told = content(f"model{model}", name, parity=1e-6 * (model + 1), size=1e6 * 1.5**model)
            put(tmp_path / str(model) / name, told, page=False)
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert len(page.encode()) < 300_000
    assert overview.render(overview.collect([tmp_path]), tmp_path) == page


def test_the_header_counts_verdicts_and_warnings(tmp_path):
    put(tmp_path / "onnx", content())
    whole = content(format="savedmodel")
    whole["checks"] = [check for check in whole["checks"] if check["name"] != "engine"]
    put(tmp_path / "savedmodel", {**whole, "warnings": []})
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert '<header class="verdict except">' in page
    assert "2 of 2 artifacts verified, 1 except the engine" in page
    assert '<p class="warning">random weights: for trying only (1 artifact)</p>' in page
    assert '<span class="badge except">verified except engine</span>' in page
    assert '<span class="badge passed">verified</span></td>' in page


def test_what_failed_stands_beside_a_fine_error_at_a_glance(tmp_path):
    known = content()
    known["checks"][1]["status"] = "failed"
    put(tmp_path / "onnx", {**known, "passed": False})
    put(tmp_path / "savedmodel", content(format="savedmodel"))
    page = overview.render(overview.collect([tmp_path]), tmp_path)
    assert '3.8e-06 <span aria-hidden="true">✗</span> weights</a>' in page
