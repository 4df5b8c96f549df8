"""The page of one report, as text: verdict first, everything escaped, nothing from outside."""

import base64
import copy
import html
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_content import content, plain

from export.errors import ArtifactError, MissingPackage
from export.html import page as page_module
from export.html.figures import svg
from export.html.page import TOOLKIT, draw, load, render, write_page
from export.report.file import NAME, artifact_files, from_dict, read_report

VOID = {"meta", "link", "br", "img", "input", "hr"}
EVIL = "<script>alert(1)</script>"
HOSTILE = (
    EVIL,
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "$\\frac{1}{2",
    "]]>&amp;",
    "日本語",
)


class Outline(HTMLParser):
    """Elements of a page, and whether each is closed where it should be."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def having(self, tag):
        return [attrs for found, attrs in self.elements if found == tag]


def test_what_is_allowed_once_is_in_the_singular():
    told = content()
    told["checks"][0] |= {"measured": 1, "allowed": 1, "unit": "engines"}
    assert "1 engine<" in render(told)


@pytest.fixture(scope="module")
def page():
    return render(content())


def test_the_verdict_comes_first(page):
    body = page[page.index("<body>") :]
    assert body.index("Verified") < body.index("Checks") < body.index("Measurements")
    assert "The worst logit error is 3.8e-06 std, 26 times below what is allowed." in page
    assert "engine was not checked: needs a GPU" in page


def test_a_model_without_logits_has_none_on_its_page():
    ids = {"name": "ids", "dtype": "int32", "shape": ["batch", "time"]}
    mood = {"name": "mood<", "dtype": "float32", "shape": ["batch", 3]}
    page = render(content() | {"contract": {"inputs": [ids], "outputs": [mood]}})
    assert "std is the standard deviation of the mood&lt;<" in page
    assert "The worst error of mood&lt; is 3.8e-06 std" in page
    words = ("Logit errors", "of the logits", "artifact's logits", "logit error")
    assert not [word for word in words if word in page]


def test_what_would_slip_through_is_said_beside_the_verdict(page):
    assert "The checks would let through 1 of 3 bugs: 6-bit weights" in page


def test_a_failure_is_named_with_its_numbers():
    page = render(content(passed=False, parity=0.37))
    assert "NOT verified" in page
    assert "parity failed: 0.37 of 1.0e-04 std allowed; top-1 equal on 8 of 8" in page


def test_a_report_without_details_has_a_page():
    page = render(plain())
    assert "Room below the limit" in page
    assert "Logit errors" not in page
    Outline(page)


@pytest.mark.parametrize(
    "lies, shown",
    [
        (TOOLKIT / "exports" / "vgg13" / "onnx", "exports/vgg13/onnx"),
        (TOOLKIT / "my exports" / "vgg13" / "onnx.failed", "'my exports/vgg13/onnx.failed'"),
        (Path("/elsewhere/$HOME/onnx"), "'/elsewhere/$HOME/onnx'"),
    ],
)
def test_command_and_check_can_be_pasted(lies, shown):
    told = content()
    told["command"] += ["--out", "my exports"]
    page = html.unescape(render(told, lies))
    assert "--format onnx --out 'my exports'" in page
    assert f"<code>python tools/verify.py {shown}</code>" in page


def test_the_command_to_verify_is_left_out_where_the_folder_is_unknown(page):
    assert "<code>python tools/verify.py</code> and the name of the folder that this page" in page


def test_what_the_installed_console_made_is_checked_by_it():
    told = content()
    told["command"] = ["keras-nets", "export", "--model", "vgg13", "--format", "onnx"]
    page = render(told, "/elsewhere/vgg13/onnx")
    assert "<code>keras-nets verify /elsewhere/vgg13/onnx</code>" in page
    assert "python tools/" not in page


def test_commands_are_shown_only_for_networks_of_the_catalog():
    told = content()
    told["command"] = []
    page = render(told, TOOLKIT / "exports" / "mine" / "onnx")
    assert "Verified" in page
    assert "Make it again" not in page and "python tools/verify.py" not in page


def test_a_page_reads_well_without_eyes(page):
    outline = Outline(page)
    levels = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert len(outline.having("caption")) == len(outline.having("table")) > 3
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in outline.having("svg"))
    assert len(outline.having("svg")) == len(outline.having("figcaption")) == 7
    assert all(th.get("scope") for th in outline.having("th"))
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in outline.having("section")} <= set(ids)


def test_a_page_loads_nothing_and_runs_no_script(page):
    outline = Outline(page)
    assert not outline.having("script")
    assert [link["href"] for link in outline.having("link")] == ["data:,"]
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
    assert "default-src 'none'" in page.replace("&#39;", "'")


def test_a_page_is_small(page):
    assert len(page.encode()) < 150_000


def test_the_same_report_gives_the_same_bytes(page):
    assert render(content()) == page


@pytest.mark.parametrize("evil", HOSTILE)
def test_whatever_a_report_holds_is_text(evil):
    def poison(value):
        if isinstance(value, dict):
            return {f"{k}": poison(v) for k, v in value.items()} | {evil: evil}
        if isinstance(value, list):
            return [poison(v) for v in value]
        return evil if isinstance(value, str) and value not in ("passed", "skipped") else value

    told = poison(copy.deepcopy(content()))
    for check, name in zip(told["checks"], ("a", "b", "c", "parity", "e", "f"), strict=True):
        check["name"] = name
    page = render(told)
    outline = Outline(page)
    assert not outline.having("script") and not outline.having("img")
    assert not any(name.startswith("on") for _, attrs in outline.elements for name in attrs)
    assert evil in "".join(outline.text)


TINY, HUGE = 5e-324, 1.7e308


@pytest.mark.parametrize(
    "measured, allowed",
    [(0.0, 1e-4), (TINY, HUGE), (HUGE, TINY), (HUGE, HUGE), (1e30, 1e-4), (float("nan"), 1.0)],
)
def test_extreme_numbers_are_drawn_or_left_out(measured, allowed):
    told = content(parity=1e-5)
    told["checks"] = told["checks"][3:4]
    told["checks"][0] |= {"measured": measured, "allowed": allowed}
    Outline(render(told))


@pytest.mark.parametrize("extreme", [0, TINY, HUGE])
def test_extreme_details_are_drawn_or_left_out(extreme):
    told = content()
    details = told["checks"][3]["details"]
    details["layers"][2]["error"] = details["noise"] = extreme
    details["smallest_bug"]["measured"] = details["errors"]["edges"][-1] = extreme
    details["mutants"][0]["effect"] = extreme
    told["checks"][3]["allowed"] = HUGE if extreme == TINY else 1e-4
    Outline(render(told))


def test_a_page_lies_beside_its_report_and_is_no_part_of_the_artifact(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"x")
    (tmp_path / NAME).write_text("{}")
    before = artifact_files(tmp_path)
    assert write_page(content(), tmp_path) == tmp_path / "report.html"
    assert artifact_files(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.onnx",
        "report.html",
        "report.json",
    ]
    with pytest.raises(ArtifactError):
        read_report(tmp_path)


def test_a_broken_plotting_library_costs_the_page_and_not_the_artifact(tmp_path, monkeypatch):
    def broken(*_):
        raise MissingPackage("drawing needs matplotlib")

    monkeypatch.setattr(page_module, "write_page", broken)
    said = []
    draw(from_dict(content()), tmp_path, lambda *words: said.append(words))
    assert said == [("onnx", "no report.html: drawing needs matplotlib")]


def test_what_draws_is_loaded_beforehand_and_told_where_it_is_not_there(monkeypatch):
    load()
    assert "matplotlib.backends.backend_svg" in sys.modules
    monkeypatch.setattr(svg, "MODULES", ("no_such_module",))
    with pytest.raises(MissingPackage, match="figures"):
        load()


def test_the_page_of_a_report_is_that_of_its_json(tmp_path, page):
    draw(from_dict(content()), tmp_path, print)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_what_was_never_checked_stands_in_the_verdict_and_has_its_own_colour():
    page = render(content())
    assert '<header class="verdict except">' in page
    assert "✓</span> Verified except engine</p>" in page
    assert "engine was not checked: needs a GPU" in page
    known = content()
    known["checks"] = [check for check in known["checks"] if check["name"] != "engine"]
    assert '<header class="verdict passed">' in render(known)


def test_warnings_stand_under_the_verdict():
    assert '<p class="warning">random weights: for trying only</p>' in render(content())
    assert 'class="warning"' not in render({**content(), "warnings": [3.5, None, {}][1:]})


def test_the_page_says_when_and_by_what_it_was_made():
    assert "Made 2026-11-20 08:30:00 UTC by keras-nets 0.1.0" in render(content())
    unknown = render({**plain(), "environment": {}, "created": "yesterday"})
    assert ">Made " not in unknown


def test_pictures_stand_beside_what_both_take_them_for():
    page = render(content())
    assert page.count('<img src="data:image/png;base64,') == 3
    assert '<strong>&lt;i&gt;c.jpg</strong> <span class="badge failed">differs</span>' in page
    assert page.count(">differs<") == 1


def test_a_picture_of_a_foreign_report_is_shown_only_if_it_is_a_small_png():
    known = content()
    pictures = next(c for c in known["checks"] if c["name"] == "parity")["details"]["pictures"]
    gif = base64.b64encode(b"GIF89a").decode()
    for entry, png in zip(pictures, (gif, '"><script>', "A" * 10**6), strict=True):
        entry["png"] = png
    page = render(known)
    assert "<img" not in page and "<strong>a.jpg</strong>" in page


def test_a_failed_check_beside_a_fine_error_draws_no_red_diamond():
    fine, wrong = render(content(passed=False)), render(content(passed=False, parity=0.37))
    assert "--failed" in re.search(r"<svg.*?</svg>", wrong, re.S)[0]
    assert "--failed" not in re.search(r"<svg.*?</svg>", fine, re.S)[0]
