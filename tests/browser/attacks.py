"""The hostile corpus in a front end: cells that show it, and what then must not be found."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page

# Run again, the first cell shows the next turn.
OPEN = """
try:
    turns
except NameError:
    from display import hostile
    from aoai_magic.display import open_screen
    turns = iter(hostile.views())
view = next(turns)
screen = open_screen(on_stop=print)
screen.show(view)
"""
CLOSE = "screen.close(view)"
PICTURES = "data:image/"
# JupyterLab links ftp in what a cell prints; browsers do not follow it.
LINKS = ("http://", "https://", "ftp://", "mailto:")
# Everything below an element that could run, fetch, lead elsewhere, take input, or lie over
# what is not the answer's own.
INSPECT = """([selector, links, pictures]) => {
  const found = [];
  const outputs = [...document.querySelectorAll(selector)];
  const odd = 'script iframe frame frameset form object embed link base meta video audio source'
    + ' track portal applet template dialog input select textarea marquee noscript foreignObject'
    + ' animate picture plaintext xmp';
  const acts = /^(on|data-commandlinker|srcset|ping|background|action|formaction|popover|content)/;
  for (const one of outputs.flatMap(output => [...output.querySelectorAll('*')])) {
    if (one.matches(odd.split(' ').join(','))) found.push(one.outerHTML);
    if (getComputedStyle(one).position === 'fixed') found.push(`fixed: ${one.outerHTML}`);
    for (const { name, value } of one.attributes) {
      if (acts.test(name) || (name === 'style' && /url/.test(value))) found.push(one.outerHTML);
      if (/href$/.test(name) && !links.some(head => value.startsWith(head))) {
        found.push(`leads to ${value}`);
      }
      if (name === 'src' && !value.startsWith(pictures)) found.push(`shows ${value}`);
      if (name === 'id' && document.getElementById(value) !== one) found.push(`id: ${value}`);
    }
  }
  for (let x = 2; x < innerWidth; x += 20) {
    for (let y = 2; y < innerHeight; y += 20) {
      const hit = document.elementFromPoint(x, y);
      const box = outputs.find(output => output.contains(hit))?.getBoundingClientRect();
      if (box && (x < box.left - 2 || x > box.right + 2 || y < box.top - 2 || y > box.bottom + 2)) {
        found.push(`lies over ${x},${y}: ${hit.outerHTML}`);
      }
    }
  }
  return found.map(text => text.slice(0, 300));
}"""


def alive(page: Page, outputs: str, own_links: tuple[str, ...] = ()) -> list[str]:
    """Return whatever could do something in the elements that ``outputs`` selects."""
    found: list[str] = page.evaluate(INSPECT, [outputs, [*LINKS, *own_links], PICTURES])
    ran = page.evaluate("() => window.pwned")
    opened = [other.url for other in page.context.pages if other != page]
    return [*found, *([f"ran: {ran}"] if ran is not None else []), *opened]


def outward(requests: list[str], home: str) -> list[str]:
    """Return what a page asked for that is no part of the front end itself."""
    own = urlsplit(home).netloc
    return [
        url
        for url in requests
        if urlsplit(url).scheme not in ("data", "blob")
        and (urlsplit(url).netloc != own or "trap" in url or url.endswith("/x"))
    ]
