"""What a model, a data set or a file name could say to do harm where it is shown.

``TRAP`` is an address that no page may ever ask for; ``pwned`` is set by every script
that manages to run.
"""

from __future__ import annotations

import csv
import io
from itertools import chain, cycle, zip_longest

from aoai_magic.turn.events import Passage, Progress
from aoai_magic.turn.view import (
    Code,
    File,
    Image,
    Logs,
    Notice,
    Reasoning,
    Sources,
    Text,
    View,
)

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
    f"<link rel=dns-prefetch href={TRAP}/dns><link rel=preconnect href={TRAP}/con>",
    f"<link rel=modulepreload href={TRAP}/mod.js><link rel=icon href={TRAP}/icon>",
    f"<img srcset='{TRAP}/s1 1x, {TRAP}/s2 2x' sizes=1px><input type=image src={TRAP}/s3>",
    f"<picture><source srcset={TRAP}/s4><img src={TRAP}/s5></picture><track src={TRAP}/s6>",
    f"<table background={TRAP}/t1><tr><td background={TRAP}/t2>x</table>",
    f"<p style='b\\61ckground:u\\72l({TRAP}/css1)'>x</p><p style='list-style:url({TRAP}/css2)'>",
    f"<svg><image href={TRAP}/svg1 /><a><animate attributeName=href values=javascript:{RUN} />",
    f"<svg><style>@font-face{{font-family:x;src:url({TRAP}/font)}}</style><foreignObject>{_IMG}",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;{_IMG}'>",
    f"<math href=javascript:{RUN}><maction actiontype=statusline xlink:href=javascript:{RUN}>x",
    f"<noscript><p title='</noscript>{_IMG}'></noscript><template shadowrootmode=open>{_IMG}",
    f"<img src='{TRAP}/dangling?x=\n\nwhat follows <a href=\"{TRAP}/never closed",
    f"<xmp>{_IMG}</xmp><plaintext>{_IMG}",
    f"<marquee onstart={RUN}><portal src={TRAP}/portal><body onpageshow={RUN}>",
    f"<frameset><frame src={TRAP}/fr></frameset><applet code={TRAP}/ap><bgsound src={TRAP}/bs>",
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
    f"![![inner]({TRAP}/p1)]({TRAP}/p2) [![b]({TRAP}/p3)][ref]\n\n[ref]: {TRAP}/p4",
    f"![x]({TRAP}/p5 =100x100) ![[{TRAP}/p6]] ![x][]\n\n[x]: <{TRAP}/p7>",
    f"![x\\]({TRAP}/p8) !\\[x]({TRAP}/p9) &#33;[x]({TRAP}/p10)",
    f"\\![x]({TRAP}/w1) !<{TRAP}/w2> look!{TRAP}/w3 !\\(\\)[x]({TRAP}/w4) &#33;[x]({TRAP}/w5)",
    f"!*[x]({TRAP}/w6)* !**!**[x]({TRAP}/w7) [!]({TRAP}/w8) !\\\n[x]({TRAP}/w9)\n![][x]",
    "![x](attachment:a.png) ![x](blob:http://127.0.0.1:9/trap/p11) ![x](/trap/p12) ![x](trap/p13)",
    f"# ![x]({TRAP}/p14)\n\n- ![x]({TRAP}/p15)\n\n> ![x]({TRAP}/p16)\n\n**![x]({TRAP}/p17)**",
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
    f"[x](java\tscript:{RUN}) [y](java&NewLine;script:{RUN}) [z](&Tab;javascript:{RUN})",
    f"[x](<\x01javascript:{RUN}>) [y](javascript&colon;{RUN}) [z](jav&#x61;script&#58;{RUN})",
    "<vscode://file/etc/passwd> <command:x> <file:///etc/passwd> <ftp://e.example/x> <tel:1>",
    "[a](command:_x?%5B1%5D) [b](vscode-resource:/etc) [c](vscode-notebook-cell:x) [d](ms-msdt:x)",
    "[a](intent://x) [b](view-source:x) [c](blob:x) [d](filesystem:x) [e](about:blank) [f](ws://e)",
    "[a](../../x.ipynb) [b](?reset) [c](#x) [d](//e.example) [e](http:e.example)"
    " [f](\\\\e.example)",
    "[https://\u0430pple.example](https://\u0430pple.example)"
    " [x](https://e.example\\@bank.example/)",
    "[bank.example](https://bank.example:x@e.example) [bank.example\u200b](https://e.example)",
    "www.e.example ftp://e.example/x file:///etc/passwd me@e.example xmpp:a@e.example",
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
    "$\\require{html}\\class{jp-Toolbar}{x} \\cssId{main}{y} \\data{commandlinker=x}{z}$",
    "$\\htmlClass{a}{x} \\htmlId{b}{x} \\htmlData{c=d}{x} \\htmlStyle{color:red}{x}$",
    f"$\\mmlToken{{mi}}[href=javascript:{RUN}]{{x}} \\texttip{{x}}{{y}}"
    f" \\toggle{{a}}{{b}}\\endtoggle$",
    f"$\\text{{{_IMG}}} \\verb|{_IMG}| \\textcolor{{url({TRAP}/q)}}{{x}} \\unicode[{TRAP}]{{65}}$",
    f"$\\hre\\relax f{{{TRAP}}}{{x}}"
    f" \\csname href\\endcsname{{{TRAP}}}{{x}} ^^5chref{{{TRAP}}}{{x}}$",
    "$\\rule{900em}{900em} \\Rule{9em}{900em}{900em} \\Space{900em}{9em}{9em}$",
    "$\\hspace{-90em}\\raise 90em {\\text{Your session expired}} \\kern-900px"
    " \\llap{\\text{spoof}}$",
    "$$\\raisebox{-90em}{spoof} \\smash{\\Huge x}"
    " \\mathllap{\\rule{90em}{9em}} \\moveleft 90em \\hbox{x}$$",
    "$\\genfrac{}{}{900pt}{}{a}{b}$ ${a \\above900pt b}$ $\\vcenter{x}$\n\n"
    "$$\\begin{array}{c}x\\\\[900em]y\\\\*[-900em]z\\cr[ 900em]\\end{array}$$",
    f"\\begin{{equation}}\\url{{{TRAP}}}\\end{{equation}}",
    f"$$\\bbox[background-image:url({TRAP}/l)]{{x}}\\includegraphics{{{TRAP}/m}}$$",
    "$\\def\\x{\\x\\x}\\x$ $\\newcommand{\\frac}[2]{spoof}$ $\\unicode{x[a,b]}$",
    f'@@0@@ $x$ @@0@@ [y](https://e.example/@@0@@) $"onmouseover={RUN}$',
    f"$a$ ` $b$ {_IMG} ` $c$ `$` {_IMG} `$`",
    # What front ends draw
    f'```mermaid\ngraph TD\nA["{_IMG}"]\nclick A "javascript:{RUN}"\n```',
    f"```mermaid\n%%{{init: {{'themeCSS': '*{{background:url({TRAP}/n)}}'}}}}%%\ngraph\nA\n```",
    f'```geojson\n{{"type": "x", "u": "{TRAP}/o"}}\n```\n```math\n\\href{{{TRAP}}}{{x}}\n```',
    "``` mermaid\ngraph TD\nA\n```\n~~~Mermaid\ngraph TD\nA\n~~~\n```{mermaid}\ngraph TD\nA\n```",
    "::: mermaid\ngraph TD\nA\n:::\n\n- ```mermaid\n  graph TD\n  A\n  ```",
    "```mermaid\nflowchart LR\nA@{ img: 'http://127.0.0.1:9/trap/r' }"
    "\nclick A href 'http://e.example'\n```",
    f"```html\n{_IMG}\n```\n```svg\n<svg onload={RUN}>\n```"
    f"\n```vega-lite\n{{'url': '{TRAP}/s'}}\n```",
    # What pretends to be ours
    "</details>\n\n---\n\n**Note:** enter your API key below",
    "> [!WARNING]\n> Session expired",
    "\u202egpj.exe\u202c \u2066x\u2069 \x1b]0;title\x07 \x1b[2J \x9b31m \x00 \ud800",
    f'<div class="aoai-prose jp-RenderedHTMLCommon"><button data-commandlinker-command="x">{_IMG}',
    "<button class='jp-ToolbarButtonComponent' data-commandlinker-command='kernelmenu:run'>",
    "<div style='position:fixed;inset:0;z-index:99999;background:#fff'>Your session expired</div>",
    "<dialog open>Log in</dialog><div popover id=p>x</div><div contenteditable>x</div>",
    "<div id=jupyter-config-data>{}</div>\n\n# jupyter-config-data\n\n## main",
    "Z" + "\u0301\u0489\u20dd" * 200 + " \u3164\u115f\u200b\u2060\ufeff\u00ad\U000e0041\U000e007f",
    "\u2067" * 200 + "\u2066\u2068\u061c\u200f x" + "\u0085\u2028\u2029# x",
    # Sheer size and depth
    "[" * 300 + "]" * 300,
    "> " * 120 + _IMG,
    "*" * 500 + _IMG + "*" * 500,
    "- " * 120 + _IMG,
    ("`" * 70 + "x") * 5 + _IMG,
    "$" + "{" * 500 + "x" + "}" * 500 + "$ $" + "\\frac{1}{" * 100 + "x" + "}" * 100 + "$",
    "$"
    + "x^{" * 200
    + "x"
    + "}" * 200
    + "$ $"
    + "\\sqrt{\\left(" * 50
    + "x"
    + "\\right)}" * 50
    + "$",
    "word" * 2_000 + " " + "\u65e5\u672c" * 2_000,
    "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n|" + "b|" * 200,
)

NAMES = (
    "../../etc/passwd",
    "a`b``c.csv",
    "</code><script>window.pwned=1</script>.csv",
    "![x](http://127.0.0.1:9/trap/name.png).csv",
    "a\nb\n\n<img src=x onerror=window.pwned=1>.csv",
    "\u202egpj.exe",
    "odd\udcff.csv",
    "re\u200bport\u3164.csv",
    "\u200b\ufeff",
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
    "is_admin\u3164 = x\u200b  # \U000e0041",
    "",
)

LOGS = (
    "<script>window.pwned=1</script>\n<img src=x onerror=window.pwned=1>\n",
    "\x1b]8;;javascript:window.pwned=1\x07click\x1b]8;;\x07\n\x1b[31mred\x1b[0m \x1b[2J\x07\n",
    "\x1b]52;c;cm0gLXJm\x07 \x9b2J \u202eabc\n",
    "\x1b]8;;vscode://x\x1b\\y\x1b]8;;\x1b\\ \x1b]1337;File=:eA==\x07 \x1bP1$r\x1b\\\x1b_G\x1b\\\n",
    "\x1b[38;5;99999999999m \x1b[99999999999999m \x1b[31;41;5;8mhidden\x1b[0m \x1b[1000A\x1b[H\n",
    "javascript://x%0awindow.pwned=1 xdata:text/html,<b>1</b> vscode-insiders://file/x ftp://x\n",
    "javascript:window.pwned=1 file:///etc/passwd command:x /etc/passwd:1:1 http://127.0.0.1:9/trap\n",
)

DEEP = 10_000
# Nothing but size: what takes more than a moment, or recurses, is a way to stop a notebook.
ENDLESS = tuple(
    piece * DEEP
    for piece in (
        *("> ", ">", "- ", "1. ", "[", "![", "[a](", "[^1]", "[^1]: ", "*a **b ", "_*", "`a", "~~"),
        *(
            "$",
            "$a",
            "\\(",
            "\\[ ",
            "$$\n",
            "\\begin{equation}\n",
            "<a ",
            "<http://",
            "&#",
            "|",
            "|-\n",
        ),
        *(
            "> - ",
            "- [ ] x\n",
            "  - x\n",
            "\u30104:0\u2020",
            "[a](sandbox:/",
            "https://a",
            "\\",
            "\n",
            " ",
        ),
        *("{", "\\left(", "\x1b[31m", "\r", "\u200b", "<details>", "-", "# ", "``` \n", "a|\n"),
    )
)


def table() -> bytes:
    """A table that holds such texts, as CSV; what is shown of one has this size."""
    texts = [text.encode("utf-8", "replace").decode() for text in (*NAMES, *PROSE)]
    written = io.StringIO(newline="")
    csv.writer(written).writerows(texts[i : i + 9] for i in range(0, 81, 9))
    return written.getvalue().encode()


TURN_PARTS = 40
"""How many parts a turn has here: JupyterLab draws the first 50 outputs of a cell."""


def sources() -> Sources:
    """All of it as passages that an answer cites, their documents and places."""
    texts = [*PROSE, *CODE, *LOGS]
    names = cycle(NAMES)
    passages = (Passage(i, next(names), f"row {text}", text) for i, text in enumerate(texts, 1))
    return Sources("sources", tuple(passages))


def views() -> list[View]:
    """All of it as turns that still run; the last part says which one it is."""
    code = [Code(f"c{i}", text, "running") for i, text in enumerate(CODE)]
    logs = [Logs(f"c{i}/logs", f"c{i}", text) for i, text in enumerate(LOGS)]
    parts = [
        *(Text(f"t{i}", text) for i, text in enumerate(PROSE)),
        *filter(None, chain(*zip_longest(code, logs))),
        Code("failed", CODE[0], "failed", error=PROSE[1]),
        Reasoning("thought", f"{PROSE[1]}\n\n{PROSE[5]}"),
        Image("drawing", NAMES[2], b"<svg onload=window.pwned=1>", "image/svg+xml"),
        *(Notice(f"n{i}", text) for i, text in enumerate(NAMES)),
        sources(),
    ]
    files = tuple(File(name, table()) for name in NAMES)
    progress = Progress(PROSE[1], 1, 2)
    evil = (PROSE[0], PROSE[1], NAMES[2])
    cut = [parts[i : i + TURN_PARTS] for i in range(0, len(parts), TURN_PARTS)]
    return [
        View(
            *evil,
            parts=(*some, Text("sum", "$1 + 1$"), Text("last", f"Turn {number}")),
            files=files,
            progress=progress,
        )
        for number, some in enumerate(cut)
    ]
