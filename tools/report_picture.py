"""Draw a report as the picture that README shows: the whole page, in two columns.

    python tools/report_picture.py report.html docs/images/report.png

Needs Chromium. Only the layout differs from what a browser shows, and the table of answers is cut to three.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

LAYOUT = """
main { max-width: 1960px; columns: 2; column-gap: 24px }
header, .tiles { column-span: all }
section { break-inside: avoid }
.tiles { margin-bottom: 20px }
section:first-of-type { margin-top: 0 }
.compare tr:nth-child(n+5) { display: none }
"""


def main() -> None:
    source, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with sync_playwright() as browsers:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 2000, "height": 1200})
        page.goto(source.as_uri())
        page.add_style_tag(content=LAYOUT)
        page.screenshot(path=target, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
