"""Opens pages in a real browser, light and dark, wide and narrow, and says as JSON what it found: what was said on the
console, what was asked for besides the page, what axe-core has against it, whether it is wider than its window, and
how many sheets it prints on. Pictures go to a folder, where one is named."""

import json
import pathlib
import sys

import axe_playwright_python
from playwright.sync_api import sync_playwright

chromium, pictures, *pages = sys.argv[1:]
pictures = pathlib.Path(pictures) if pictures else None
axe = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
found = []

with sync_playwright() as play:
    # Chromium's own sandbox cannot be set up by root, and nothing but these files is opened.
    browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    views = [(pages[0], "dark", 1280), (pages[0], "light", 375)]
    views += [(name, *view) for name in pages for view in [("light", 1280), ("dark", 375)]]
    for name, scheme, width in views:
        url = pathlib.Path(name).resolve().as_uri()
        stem = f"{pathlib.Path(name).stem}-{scheme}-{width}"
        view = {"view": stem, "console": [], "requests": [], "pages": 1}
        looks = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "offline": True}
        # As a person opens it: the page's own policy holds.
        context = browser.new_context(**looks)
        page = context.new_page()
        page.on("console", lambda said, view=view: view["console"].append(said.text))
        page.on("pageerror", lambda error, view=view: view["console"].append(str(error)))
        page.on("dialog", lambda dialog, view=view: view["console"].append(dialog.message))
        page.on(
            "request",
            lambda asked, view=view, own=(url, "data:,"): asked.url in own or view["requests"].append(asked.url),
        )
        page.goto(url)
        if pictures:
            page.screenshot(path=pictures / f"{stem}.png", full_page=True)
        if width == 1280:
            printed = page.pdf(format="A4", prefer_css_page_size=True)
            view["pages"] = printed.count(b"/Type /Page\n")
            if pictures:
                (pictures / f"{stem}.pdf").write_bytes(printed)
        context.close()
        # The checker is a script, which that policy would not run.
        context = browser.new_context(bypass_csp=True, **looks)
        page = context.new_page()
        page.goto(url)
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        view["overflow"] = page.evaluate(wider)
        # A table or a picture may be wider, and then scrolls within its own box; on a telephone no table is.
        boxes = "[...document.querySelectorAll('.scroll:has(table)')].map(one => one.scrollWidth - one.clientWidth)"
        view["tables"] = max(page.evaluate(boxes), default=0)
        view["text"] = page.evaluate("document.body.innerText.length")
        # What is folded is read too.
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        view["checked"] = len(result["passes"])
        view["violations"] = [
            {"rule": one["id"], "help": one["help"], "at": [node["html"] for node in one["nodes"][:5]]}
            for one in result["violations"]
        ]
        # What a sheet of A4 has room for between its margins.
        page.set_viewport_size({"width": 687, "height": 1000})
        page.emulate_media(media="print")
        view["paper"] = page.evaluate(wider)
        found.append(view)
        context.close()
    browser.close()

print(json.dumps(found))
