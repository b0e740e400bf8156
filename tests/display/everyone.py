"""A turn that reads from the right, breaks East Asian lines, and is wider than a phone."""

from __future__ import annotations

from aoai_magic.turn.view import (
    Code,
    Logs,
    Text,
    View,
)

TEXT = f"""## ملخص النتائج

نما الشمال أسرع، بنسبة *34 %* من `sales` إلى $1.6.

- البند الأول
- البند الثاني

> اقتباس

{"日本語の長い段落です。「括弧」や句読点、が行頭に来ないようにします。" * 4}

See [the method](https://example.org/growth) and {"x" * 120}

| {" | ".join("abcdefghij")} |
|{"---|" * 10}
| {" | ".join(["wide"] * 10)} |

```python
a_very_long_line = some_function(with_many_arguments, and_more_arguments, and_even_more)
```

$$\\sum_{{i=1}}^n x_i + {" + ".join(f"x_{{{i}}}" for i in range(20))} = 3$$
"""
CODE = f"# Add it up\nx = {'1 + ' * 60}1\n"
VIEW = View(
    "t",
    "local",
    "gpt-4o",
    parts=(
        Text("t1", TEXT, done=False),
        Code("c1", CODE, "running"),
        Logs("c1/logs", "c1", "wide " * 60 + "\n"),
    ),
)
