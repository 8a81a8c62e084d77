"""What is asked of every page, of the demo's and of the shipped notebooks' alike."""

import io
import re
import subprocess

import numpy as np
import pytest

# Everything drawn inside the slide on show, and what sticks out of it or of its footer.
OUTSIDE = """() => {
  const slide = document.querySelector('.slides > section.present') ;
  const frame = slide.getBoundingClientRect(), out = [];
  const foot = slide.querySelector(':scope > footer').getBoundingClientRect();
  for (const e of slide.querySelectorAll('*')) {
    if (e.closest('aside') || e.closest('.unseen')) continue;
    const box = e.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const name = `${e.tagName}.${e.getAttribute('class')} ${(e.textContent || '').slice(0, 30)}`;
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
        || box.bottom > frame.bottom + 1) out.push('outside the slide: ' + name);
    if (e.closest('.body') && box.bottom > foot.top + 1) out.push('over the footer: ' + name);
  }
  return out;
}"""
OVERLAPS = """() => {
  const slide = document.querySelector('.slides > section.present');
  const boxes = [...slide.querySelectorAll('h1, h2, .top, .main, .side, .below, .facts')]
    .map(e => [e.className || e.tagName, e.getBoundingClientRect()])
    .filter(b => b[1].width && b[1].height);
  const out = [];
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
    const [a, p] = boxes[i], [b, q] = boxes[j];
    const across = p.left < q.right - 2 && q.left < p.right - 2;
    if (across && p.top < q.bottom - 2 && q.top < p.bottom - 2)
      out.push(a + ' over ' + b);
  }
  return out;
}"""


def violations(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found]


def ink(page):
    """Share of pixels that differ from the background of the slide's corner."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    return float((abs(pixels - pixels[4, 4]) > 24).mean())


def walked(page):
    """Ids of the slides that the right arrow shows; each is full, and overflows nowhere."""
    seen = []
    for _ in range(page.locator(".slides > section").count()):
        page.wait_for_timeout(30)
        seen.append(page.locator(".slides > section.present").get_attribute("id"))
        assert page.evaluate(OUTSIDE) == [], seen[-1]
        assert page.evaluate(OVERLAPS) == [], seen[-1]
        assert ink(page) > 0.005, f"{seen[-1]} is blank"
        page.keyboard.press("ArrowRight")
    return seen


def slides(html):
    """How many slides a deck has, by its markup."""
    return len(re.findall(r"<section[ >]", html))


def printed(html, chromium_path, folder):
    """The PDF that plain printing makes of a deck."""
    source, target = folder / "deck.html", folder / "deck.pdf"
    source.write_text(html, encoding="utf-8")
    subprocess.run(
        [chromium_path, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         "--virtual-time-budget=3000", f"--user-data-dir={folder / 'profile'}",
         f"--print-to-pdf={target}", source.as_uri()],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return target.read_bytes()


def sheets(pdf):
    """How many pages a PDF has."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
