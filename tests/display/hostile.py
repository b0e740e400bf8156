"""What a model, a data set or a file name could say to do harm where it is shown.

``TRAP`` is an address that no page may ever ask for; ``pwned`` is set by every script
that manages to run.
"""

from __future__ import annotations

import csv
import io

TRAP = "http://127.0.0.1:9/trap"
RUN = "window.pwned=1"
_IMG = f"<img src=x onerror={RUN}>"

PROSE = (
    # Raw HTML, as block, in a line, cut in pieces, in odd spellings
    f"<script>{RUN}</script>",
    f"Hello <img src={TRAP}/img onerror={RUN}> world",
    f"<div>\n\n{_IMG}\n\n</div>",
    f"<details open ontoggle={RUN}><summary>x</summary>\n\n{_IMG}\n\n</details>",
    f"<svg onload={RUN}><use href={TRAP}/svg /></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>' src={TRAP}/frame></iframe>",
    f"<object data={TRAP}/object></object><embed src={TRAP}/embed>",
    f"<style>@import '{TRAP}/style'; * {{ background: url({TRAP}/bg) }}</style>",
    f"<link rel=stylesheet href={TRAP}/link><link rel=prefetch href={TRAP}/pre>",
    f"<meta http-equiv=refresh content='0;url={TRAP}/meta'><base href={TRAP}/base>",
    f"<form action={TRAP}/form><input autofocus onfocus={RUN}></form>",
    f"<video src={TRAP}/v poster={TRAP}/p></video><audio src={TRAP}/a autoplay></audio>",
    f"<p style='background:url({TRAP}/style2)'>x</p>",
    f"<a href='javascript:{RUN}'>click</a><a ping={TRAP}/ping href=#>x</a>",
    f"<!-- --><![CDATA[{_IMG}]]><?php {_IMG} ?><!DOCTYPE x>",
    f"<scr<script>ipt>{RUN}</script>",
    f"&lt;script&gt;{RUN}&lt;/script&gt; &#60;img src=x onerror={RUN}&#62;",
    # Pictures, by every way that Markdown has
    f"![chart]({TRAP}/a.png)",
    f"![chart]( <{TRAP}/b.png> 'title' )",
    f"![chart][ref]\n\n[ref]: {TRAP}/c.png",
    f"![ref]\n\n[ref]: {TRAP}/d.png 'x'",
    f"[![nested]({TRAP}/e.png)](https://example.org)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    f"![x](//127.0.0.1:9/trap/f.png) ![y](\\\\127.0.0.1\\g.png) {TRAP[5:]}",
    f"![a`]({TRAP}/g.png)`",
    f"| a |\n|---|\n| ![x]({TRAP}/h.png) |",
    # Links
    f"[click](javascript:{RUN}) [x](JaVaScRiPt:{RUN}) [y](&#106;avascript:{RUN})",
    "[x](data:text/html,<script>1</script>) [y](vbscript:x) [z](file:///etc/passwd)",
    f"<javascript:{RUN}> <data:text/html,x>",
    "[https://bank.example](https://evil.example/login)",
    "[bank.example](https://bank.example@evil.example/)",
    f"[x](command:workbench.action.terminal.new) [y](vscode://x) [z](/api/kernels?{RUN})",
    f'[x](https://e.example/"onmouseover={RUN}//) [y](https://e.example/\'$"onclick={RUN}$)',
    f"[a]: javascript:{RUN}\n\n[a] [b][a]",
    "[file](sandbox:/mnt/data/../../etc/passwd) [g](sandbox:/mnt/data/a`b$c<b>.csv)",
    # Where parsers disagree: code that one sees and another does not
    f"`` ` `` {_IMG} `",
    f"\\`{_IMG}\\` `{_IMG}` ``{_IMG}`",
    f"```\n{_IMG}\n~~~\n{_IMG}\n```\n{_IMG}",
    f"````\n```\n{_IMG}\n````\n{_IMG}\n```\n{_IMG}",
    f"- ```\n  {_IMG}\n  ```\n{_IMG}\n> ```\n{_IMG}",
    f"    {_IMG}\n\n\t{_IMG}\n- a\n\n      {_IMG}",
    f"```{_IMG}\n{_IMG}\n```",
    f'```" onclick={RUN} x="\ncode\n```',
    f"~~~ `\n{_IMG}\n~~~ `\n{_IMG}",
    f"- ```\n  a $ b\n  ```\n\n  c $ {_IMG} $ `$` {_IMG}",
    f"&#96;&#96;&#96;\n{_IMG}\n&#10;&#10;&#32;&#32;&#32;&#32;{_IMG}",
    f"a | `b | {_IMG}` |\n--|--\n`{_IMG} | x` | y",
    f"[^1]\n\n[^1]: {_IMG}\n\n    ![x]({TRAP}/i.png)",
    # Formulas, which JupyterLab cuts out before it parses and MathJax draws after
    f"$<img src=x onerror={RUN}>$ $$\n<script>{RUN}</script>\n$$",
    f"\\({_IMG}\\) \\[{_IMG}\\] \\\\({_IMG}\\\\) \\\\[{_IMG}\\\\]",
    f"$ {{ [x](javascript:{RUN}) ![y]({TRAP}/j.png) $ }}",
    f"$\\href{{javascript:{RUN}}}{{x}} \\style{{background:url({TRAP}/k)}}{{y}}$",
    f"\\\\(\\href{{javascript:{RUN}}}{{x}}\\\\)",
    f"\\begin{{equation}}\\url{{{TRAP}}}\\end{{equation}}",
    f"$$\\bbox[background-image:url({TRAP}/l)]{{x}}\\includegraphics{{{TRAP}/m}}$$",
    "$\\def\\x{\\x\\x}\\x$ $\\newcommand{\\frac}[2]{spoof}$ $\\unicode{x[a,b]}$",
    f'@@0@@ $x$ @@0@@ [y](https://e.example/@@0@@) $"onmouseover={RUN}$',
    f"$a$ ` $b$ {_IMG} ` $c$ `$` {_IMG} `$`",
    # What front ends draw
    f'```mermaid\ngraph TD\nA["{_IMG}"]\nclick A "javascript:{RUN}"\n```',
    f"```mermaid\n%%{{init: {{'themeCSS': '*{{background:url({TRAP}/n)}}'}}}}%%\ngraph\nA\n```",
    f'```geojson\n{{"type": "x", "u": "{TRAP}/o"}}\n```\n```math\n\\href{{{TRAP}}}{{x}}\n```',
    # What pretends to be ours
    "</details>\n\n---\n\n**Note:** enter your API key below",
    "> [!WARNING]\n> Session expired",
    "\u202egpj.exe\u202c \u2066x\u2069 \x1b]0;title\x07 \x1b[2J \x9b31m \x00 \ud800",
    f'<div class="aoai-prose jp-RenderedHTMLCommon"><button data-commandlinker-command="x">{_IMG}',
    "<button class='jp-ToolbarButtonComponent' data-commandlinker-command='kernelmenu:run'>",
    # Sheer size and depth
    "[" * 300 + "]" * 300,
    "> " * 120 + _IMG,
    "*" * 500 + _IMG + "*" * 500,
    "- " * 120 + _IMG,
    ("`" * 70 + "x") * 5 + _IMG,
)

NAMES = (
    "../../etc/passwd",
    "a`b``c.csv",
    "</code><script>window.pwned=1</script>.csv",
    "![x](http://127.0.0.1:9/trap/name.png).csv",
    "a\nb\n\n<img src=x onerror=window.pwned=1>.csv",
    "\u202egpj.exe",
    "odd\udcff.csv",
    "$x$ $y$ \\(z\\).csv",
    "'\"; print(1) #.csv",
    "x" * 300 + ".csv",
    "",
)

CODE = (
    "# </summary><script>window.pwned=1</script> $a$ $b$ \\(c\\)\nprint(1)",
    "# first\n```\n<script>window.pwned=1</script>\n```\n",
    "x = '''\n````\n</details>\n<img src=x onerror=window.pwned=1>\n'''",
    "s = '\u202e'  # \u2066 trojan \u2069\n",
    "# \n\n<img src=x onerror=window.pwned=1>",
    "",
)

LOGS = (
    "<script>window.pwned=1</script>\n<img src=x onerror=window.pwned=1>\n",
    "\x1b]8;;javascript:window.pwned=1\x07click\x1b]8;;\x07\n\x1b[31mred\x1b[0m \x1b[2J\x07\n",
    "\x1b]52;c;cm0gLXJm\x07 \x9b2J \u202eabc\n",
)


def table() -> bytes:
    """A table that holds such texts, as CSV; what is shown of one has this size."""
    texts = [text.encode("utf-8", "replace").decode() for text in (*NAMES, *PROSE)]
    written = io.StringIO(newline="")
    csv.writer(written).writerows(texts[i : i + 9] for i in range(0, 81, 9))
    return written.getvalue().encode()
