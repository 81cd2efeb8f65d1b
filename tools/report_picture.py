"""Draw a report as the picture that README shows: its main part, in two columns.

    python tools/report_picture.py report.html docs/images/report.png

Needs Chromium. Only the layout differs from what a browser shows; the part for engineers, which is folded, and every
other answer are left out.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

LAYOUT = """
main { max-width: 1240px; columns: 2; column-gap: 16px; padding-bottom: 20px }
header, .verdict { column-span: all }
.verdict { margin-bottom: 16px }
section { break-inside: avoid; margin-top: 0; margin-bottom: 16px }
.sample:nth-child(2n) { display: none }
details { display: none }
"""


def main() -> None:
    source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with sync_playwright() as browsers:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1240, "height": 600})
        page.goto(source.as_uri())
        page.add_style_tag(content=LAYOUT)
        page.screenshot(path=target, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
