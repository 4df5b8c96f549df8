"""Pages in a real browser: they render, sort, fit a phone, print, and load nothing."""

import base64
import io
import json

import pytest
from chromium import browser, look, missing
from PIL import Image
from report_content import content, plain
from speed_records import records

from export.html import overview, page, speed

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")

EVIL = "<script>document.title = 'owned'</script>"
A4 = 688  # CSS pixels between its margins
LONG = "a_model_with_a_name_that_goes_on_" * 4
READ = "return [...document.querySelectorAll('#artifacts ~ .scroll tbody tr')].map(r => r.%s)"
CONTRAST = """
const number = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = number(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || element.closest("script, title")) continue;
  const style = getComputedStyle(element);
  const ink = number(element.closest("svg") ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(walk.currentNode.data + " " + ink);
}
return poor;
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Reports of every kind, each with its page, under an overview."""
    out = tmp_path_factory.mktemp("exports")
    told = [
        content("vgg13", "onnx"),
        content("vgg13", "savedmodel", parity=0.0),
        content("alexnet", "onnx", parity=2e-5, size=244_409_060),
        content("alexnet", "tftrt-fp16", passed=False, parity=0.37, size=99),
        plain() | {"model": LONG},
        plain() | {"model": EVIL},
    ]
    for index, report in enumerate(told):
        folder = out / f"model {index}" / report["format"]
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(report))
        page.write_page(report, folder)
    (out / "foreign").mkdir()
    (out / "foreign" / "report.json").write_text("[]")
    page.write_whole(out / "speed.html", speed.render(records()))
    page.write_whole(out / "index.html", overview.render(overview.collect([out]), out))
    return out


@pytest.fixture
def show(driver, exports):
    """Open a page of `exports`, and check at the end that nothing went wrong or out."""

    def open_page(name="index.html", width=1200, **screen):
        look(driver, width, **screen)
        driver.get((exports / name).as_uri())
        return driver

    for kind in ("browser", "performance"):
        driver.get_log(kind)
    yield open_page
    assert driver.get_log("browser") == []
    messages = [json.loads(e["message"])["message"] for e in driver.get_log("performance")]
    asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {a["type"] for a in asked if not a["request"]["url"].startswith("data:")} == {"Document"}
    assert all(a["request"]["url"].startswith(("file:", "data:")) for a in asked)


PAGES = ["index.html", "model 0/onnx/report.html", "model 3/tftrt-fp16/report.html",
         "speed.html", "model 4/onnx/report.html", "model 5/onnx/report.html"]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390, 1200])
def test_pages_fit_the_width(show, name, width):
    driver = show(name, width)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script("return document.body.innerText.length") > 300
    drawn = (
        "return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().height)"
    )
    assert all(height > 60 for height in driver.execute_script(drawn))


def test_rows_stay_low_on_a_phone(show):
    heights = show(width=390).execute_script(READ % "getBoundingClientRect().height")
    assert sorted(heights)[3] < 50  # those without a name of 130 letters


@pytest.mark.parametrize("name", PAGES[:4])
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(show, name, dark):
    assert show(name, dark=dark).execute_script(CONTRAST) == []


def test_text_of_figures_is_readable_on_a_phone(show):
    driver = show("model 0/onnx/report.html", 390)
    texts = "[...document.querySelectorAll('svg text')]"
    heights = driver.execute_script(f"return {texts}.map(t => t.getBoundingClientRect().height)")
    assert min(heights) >= 8


def press(driver, heading):
    driver.execute_script(
        "[...document.querySelectorAll('#artifacts ~ .scroll thead button')]"
        ".find((button) => button.textContent === arguments[0]).click()",
        heading,
    )


@pytest.mark.parametrize("heading, column", [("Size", "cells[6]"), ("Error, std", "cells[3]")])
def test_numbers_sort_as_numbers_and_nothing_comes_last(show, heading, column):
    driver = show()

    def values():
        return driver.execute_script(READ % f"{column}.dataset.value")

    before = values()
    press(driver, heading)
    up = values()
    press(driver, heading)
    down = values()
    numbers = sorted(float(value) for value in before if value)
    assert [float(value) for value in up if value] == numbers
    assert [float(value) for value in down if value] == numbers[::-1]
    assert len(up) == len(before) == 6


def test_words_sort_and_the_state_is_told(show):
    driver = show()
    press(driver, "Format")
    formats = driver.execute_script(READ % "cells[1].textContent")
    assert [name.split()[0] for name in formats] == ["onnx"] * 4 + ["savedmodel", "tftrt-fp16"]
    states = "return [...document.querySelectorAll('#artifacts ~ .scroll th')].map(h => h.ariaSort)"
    assert [s for s in driver.execute_script(states) if s] == ["ascending"]


def test_a_row_leads_to_its_report(show):
    driver = show()
    links = driver.execute_script(
        "return [...document.querySelectorAll('td a, th a')].map(a => a.href)"
    )
    assert len(links) == 12
    for link in set(links):
        driver.get(link)
        assert "Export report" in driver.execute_script("return document.body.innerText")


def test_the_table_is_there_without_scripts(show, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(driver.execute_script(READ % "cells[0].textContent")) == 6
    assert driver.execute_script("return document.querySelectorAll('button').length") == 0


@pytest.mark.parametrize("name", ["index.html", "model 5/onnx/report.html"])
def test_a_script_for_a_name_is_text(show, name):
    driver = show(name)
    assert driver.title != "owned"
    assert EVIL in driver.execute_script("return document.body.textContent")


@pytest.fixture
def on_paper(driver, show):
    """Open a page of `exports` as A4 portrait has it, less its margins."""

    def open_page(name):
        show(name, A4)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        return driver

    yield open_page
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_page_prints_with_its_details(show, on_paper):
    driver = show("model 0/onnx/report.html")
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"]
    pdf = base64.b64decode(printed)
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 8
    height = "return document.querySelector('details table').getBoundingClientRect().height"
    # Closed on a screen, open on paper.
    assert on_paper("model 0/onnx/report.html").execute_script(height) > 100


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_on_paper(on_paper, name):
    driver = on_paper(name)
    beyond = (
        "return [...document.querySelectorAll('table, td, th, svg, pre')]"
        f".filter((e) => e.getBoundingClientRect().right > {A4} + 1).map((e) => e.textContent)"
    )
    assert driver.execute_script(beyond) == []


def test_what_checks_found_has_the_width_of_the_paper(on_paper):
    driver = on_paper("model 0/onnx/report.html")
    notes = "[...document.querySelectorAll('.checks .note')].filter((e) => e.textContent)"
    widths = driver.execute_script(f"return {notes}.map(e => e.getBoundingClientRect().width)")
    assert min(widths) > 0.9 * A4


@pytest.mark.parametrize("scale", [1, 1.25, 2])
def test_lines_between_rows_go_through_the_column_that_stays(show, scale):
    driver = show(width=390, scale=scale)
    table = "document.querySelector('#artifacts ~ .scroll')"
    driver.execute_script(f"{table}.scrollIntoView(); {table}.scrollLeft = 60")
    places = driver.execute_script(
        f"return [...{table}.querySelectorAll('tbody th')].map(c => c.getBoundingClientRect())"
        ".filter((box) => box.bottom < innerHeight).map((box) => [box.left + 9, box.top])"
    )
    shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    # Lines of a collapsed table are the table's and vanish beneath the column, but not every time.
    style = f"getComputedStyle({table}.querySelector('table')).borderCollapse"
    assert driver.execute_script(f"return {style}") == "separate"
    assert len(places) > 3
    for x, y in places:
        at = [shot.getpixel((round(scale * x), round(scale * y) + row)) for row in range(-2, 4)]
        assert len(set(at)) > 1


def test_print_repeats_no_rule_of_the_screen(driver, show):
    show()
    repeated = driver.execute_script("""
        const rules = [...document.styleSheets[0].cssRules];
        const texts = new Set(rules.map((rule) => rule.cssText));
        return rules.filter((rule) => rule.media).flatMap((rule) => [...rule.cssRules])
          .map((rule) => rule.cssText).filter((text) => texts.has(text));""")
    assert repeated == []
