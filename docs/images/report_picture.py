"""Take the README's picture of a report, in a real browser.

    python docs/images/report_picture.py exports/vgg13/onnx/report.html

Needs Chromium and its driver (apt-get install chromium chromium-driver) and the extra `test`.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "standin"))

from chromium import browser, look, missing  # noqa: E402

WIDTH, SCALE = 1100, 1.5


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, help="a report.html, or the page of many")
    parser.add_argument("--out", type=Path, default=HERE / "report.png", metavar="FILE")
    parser.add_argument("--until", default="#again", metavar="CSS", help="where it ends (#again)")
    args = parser.parse_args(argv)
    if missing():
        parser.exit(2, f"error: {missing()}\n")
    if not args.page.is_file():
        parser.exit(2, f"error: there is no {args.page}; tools/export.py writes report.html\n")
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as driver:
        look(driver, WIDTH)
        driver.get(args.page.resolve().as_uri())
        end = driver.execute_script(
            "const end = document.querySelector(arguments[0]);"
            "return end ? end.getBoundingClientRect().top - 16 : document.body.scrollHeight",
            args.until,
        )
        look(driver, WIDTH, round(end), scale=SCALE)
        shot = driver.get_screenshot_as_png()
    whole = Image.open(io.BytesIO(shot)).convert("RGB")
    picture = whole.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    picture.save(args.out, optimize=True)
    print(f"{args.out}: {picture.width} x {picture.height}, {args.out.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
