"""What models write in a session, for `test_carried_code`: threads of turns of steps.

Each thread attaches ``sales``, ``prices`` (its index has a name), ``config`` (a dict) and the file
``data/targets.csv`` in its first turn. ``lines`` is the most that the cell of the last turn may
have, ``without`` and ``with_`` what may not and must stand in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thread:
    """One thread; a turn is a tuple of pieces of code."""

    name: str
    turns: tuple[tuple[str, ...], ...]
    lines: int = 40
    without: tuple[str, ...] = ()
    with_: tuple[str, ...] = ()
    attached_again: bool = False


def one(name: str, *steps: str, **more) -> Thread:
    """Make a thread of one turn."""
    return Thread(name, (steps,), **more)


LOOK = """
import pandas as pd
df = pd.read_feather("/mnt/data/sales.arrow")
print(df.head())
df.info()
print(df.dtypes)
print(df.isna().sum())
"""
LISTING = """
import os
for name in os.listdir("/mnt/data"):
    print(name, os.path.getsize(os.path.join("/mnt/data", name)))
"""

THREADS = [
    one(
        "feather",
        LOOK,
        """
monthly = df.groupby(df["date"].dt.to_period("M").astype(str))["revenue"].sum().reset_index()
print(monthly.to_string())
monthly.to_csv("/mnt/data/monthly.csv", index=False)
""",
        lines=8,
        without=("info", "isna", "mnt"),
        with_=("display(monthly)",),
    ),
    one(
        "preloaded",
        """
top = sales.nlargest(5, "revenue")
print(top)
top.to_parquet("/mnt/data/top.parquet")
""",
        lines=4,
        without=("mnt",),
    ),
    one(
        "chart",
        """
import pandas as pd
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

df = pd.read_feather("sales.arrow")
by_region = df.groupby("region")["revenue"].sum().sort_values(ascending=False)
fig, ax = plt.subplots(figsize=(6, 3))
ax.bar(by_region.index, by_region.values)
ax.set_title("Revenue by region")
plt.tight_layout()
plt.savefig("/mnt/data/by_region.png", dpi=80)
plt.show()
print(by_region)
""",
        without=("Agg", "feather"),
        with_=("display(by_region)",),
    ),
    one(
        "closed figure",
        """
import matplotlib.pyplot as plt
sales["units"].plot.hist(bins=10, title="Units")
plt.savefig("/mnt/data/units.png")
plt.close()
sales["revenue"].plot.hist(bins=10, title="Revenue")
plt.savefig("/mnt/data/revenue.png")
plt.close()
""",
        without=("close",),
    ),
    one(
        "two steps draw",
        """
import matplotlib.pyplot as plt
plt.plot(sales["date"], sales["revenue"])
plt.title("Revenue")
""",
        """
plt.plot(sales["date"], sales["units"])
plt.title("Units")
plt.savefig("/mnt/data/second.png")
""",
        with_=("plt.show()",),
    ),
    one(
        "changes the preloaded",
        """
sales["month"] = sales["date"].dt.month
sales["price"] = sales["revenue"] / sales["units"]
result = sales.groupby("month")["price"].mean()
print(result)
result.to_csv("/mnt/data/price.csv")
""",
        with_=("sales_copy",),
    ),
    one(
        "rebinds the preloaded",
        """
import pandas as pd
sales = pd.read_feather("/mnt/data/sales.arrow")
sales = sales.dropna(subset=["revenue"])
sales["share"] = sales["revenue"] / sales["revenue"].sum()
sales.to_csv("/mnt/data/share.csv", index=False)
print(f"{len(sales)} rows of {sales.shape[1]} columns")
""",
        without=("feather",),
    ),
    one(
        "only reads it by its own name",
        """
import pandas as pd
sales = pd.read_feather("/mnt/data/sales.arrow")
mean = sales.groupby("region")["units"].mean()
mean.to_csv("/mnt/data/mean.csv")
""",
        lines=2,
        without=("copy", "pandas"),
    ),
    one(
        "in place",
        """
import pandas as pd
df = pd.read_feather("/mnt/data/sales.arrow")
df.sort_values("revenue", inplace=True)
df.rename(columns={"revenue": "eur"}, inplace=True)
df.to_csv("/mnt/data/sorted.csv", index=False)
""",
        with_=("sales.copy()",),
    ),
    one(
        "alias of the preloaded",
        """
df = sales
df["double"] = df["revenue"] * 2
df[["double"]].to_csv("/mnt/data/double.csv", index=False)
""",
    ),
    one(
        "function that changes",
        """
def add_month(frame):
    frame["month"] = frame["date"].dt.month
    return frame

add_month(sales)[["month"]].to_csv("/mnt/data/months.csv", index=False)
""",
    ),
    one(
        "loop that changes",
        """
for frame in [sales]:
    frame["x"] = 1
    frame.to_csv("/mnt/data/loop.csv", index=False)
""",
    ),
    one(
        "path constant",
        """
import pandas as pd
DATA = "/mnt/data/sales.arrow"
OUT = "/mnt/data/out.csv"
df = pd.read_feather(DATA)
df.groupby("product").size().to_csv(OUT)
""",
        without=("sales.arrow", "mnt"),
    ),
    one(
        "pathlib",
        """
from pathlib import Path
import pandas as pd
base = Path("/mnt/data")
df = pd.read_feather(base / "sales.arrow")
(base / "out").mkdir(exist_ok=True)
df.describe().to_csv(base / "out" / "described.csv")
print(base.exists(), list(base.iterdir()))
""",
        without=("sales.arrow", "iterdir"),
    ),
    one(
        "os.path.join",
        """
import os
import pandas as pd
folder = "/mnt/data"
df = pd.read_feather(os.path.join(folder, "sales.arrow"))
df.tail(3).to_csv(os.path.join(folder, "tail.csv"), index=False)
""",
        without=("sales.arrow",),
    ),
    one(
        "f-strings with paths",
        """
import pandas as pd
folder = "/mnt/data"
df = pd.read_feather(f"{folder}/sales.arrow")
for region, part in df.groupby("region"):
    part.to_csv(f"{folder}/{region}.csv", index=False)
    print(f"wrote {folder}/{region}.csv with {len(part)} rows")
""",
        without=("sales.arrow",),
    ),
    one(
        "open",
        """
import json
totals = {k: float(v) for k, v in sales.groupby("region")["revenue"].sum().items()}
with open("/mnt/data/totals.json", "w") as f:
    json.dump(totals, f)
""",
        without=("mnt",),
    ),
    one(
        "open of the variable",
        """
import pandas as pd
with open("/mnt/data/sales.arrow", "rb") as f:
    df = pd.read_feather(f)
df["units"].describe().to_csv("/mnt/data/units.csv")
""",
        without=("open", "mnt"),
    ),
    one(
        "pyarrow",
        """
import pyarrow.feather as feather
df = feather.read_table("/mnt/data/sales.arrow").to_pandas()
df.head(2).to_csv("/mnt/data/two.csv", index=False)
""",
        without=("read_table",),
    ),
    one(
        "file of the user",
        """
import pandas as pd
targets = pd.read_csv("/mnt/data/targets.csv")
both = sales.groupby("region", as_index=False)["revenue"].sum().merge(targets, on="region")
both["gap"] = both["revenue"] - both["target"]
print(both)
both.to_excel("/mnt/data/gap.xlsx", index=False)
""",
        with_=("data/targets.csv", "display(both)"),
    ),
    one(
        "file of the user by parts",
        """
import csv
from pathlib import Path
with open(Path("/mnt/data") / "targets.csv", newline="") as file:
    rows = list(csv.DictReader(file))
Path("/mnt/data/names.txt").write_text("\\n".join(row["region"] for row in rows))
""",
    ),
    one(
        "index with a name",
        """
import pandas as pd
table = pd.read_feather("/mnt/data/prices.arrow")
table.set_index("product").sort_index().to_csv("/mnt/data/prices_sorted.csv")
print(table.columns.tolist())
""",
    ),
    one(
        "preloaded index",
        """
prices.sort_index().to_csv("/mnt/data/by_index.csv")
""",
    ),
    one(
        "dict",
        """
import json
with open("/mnt/data/config.json") as f:
    settings = json.load(f)
chosen = sales[sales["region"] == settings["region"]]
chosen.to_csv("/mnt/data/chosen.csv", index=False)
""",
        without=("config.json",),
    ),
    one(
        "dict that is changed",
        """
import json
config = json.loads(open("/mnt/data/config.json").read())
config["seen"] = True
chosen = sales[sales["region"] == config["region"]].assign(seen=config["seen"])
chosen.to_csv("/mnt/data/seen.csv", index=False)
""",
        with_=("deepcopy",),
    ),
    one(
        "repaired",
        """
import pandas as pd
df = pd.read_feather("/mnt/data/sales.arrow")
df["margin"] = df["revenue"] - df["cost"]
""",
        """
df["margin"] = df["revenue"] - 2 * df["units"]
df.groupby("region")["margin"].mean().to_csv("/mnt/data/margin.csv")
""",
        without=('"cost"',),
    ),
    one(
        "repaired twice",
        """
import pandas as pd
frame = pd.read_fether("/mnt/data/sales.arrow")
""",
        """
frame = pd.read_feather("/mnt/data/sale.arrow")
""",
        """
frame = pd.read_feather("/mnt/data/sales.arrow")
frame.count().to_csv("/mnt/data/count.csv")
""",
        lines=3,
    ),
    one(
        "failed after a definition",
        """
def clean(frame):
    return frame.dropna().assign(rounded=lambda d: d["revenue"].round())

result = clean(sales)
limit = 3
print(result["nothing"])
limit = 100
""",
        """
result[result["units"] > limit].to_csv("/mnt/data/limited.csv", index=False)
""",
        without=("100", "nothing"),
    ),
    one(
        "failed in a loop",
        """
found = []
for column in ["revenue", "units", "cost"]:
    found.append(sales[column].sum())
""",
        """
import pandas as pd
pd.Series(found).to_csv("/mnt/data/found.csv")
""",
        with_=("# A step failed",),
    ),
    one("syntax error first", "x = = 1", 'sales.head(1).to_csv("/mnt/data/first.csv")', lines=2),
    one(
        "listing first",
        LISTING,
        """
sales.tail(1).to_csv("/mnt/data/last.csv")
""",
        lines=2,
    ),
    one(
        "main",
        """
import pandas as pd

def load():
    return pd.read_feather("/mnt/data/sales.arrow")

def unused(x):
    return x

def main():
    frame = load()
    frame["k"] = frame["units"] * 1000
    frame[["k"]].to_csv("/mnt/data/k.csv", index=False)

if __name__ == "__main__":
    main()
""",
        without=("unused",),
    ),
    one(
        "class",
        """
from dataclasses import dataclass

@dataclass
class Region:
    name: str
    total: float

regions = [Region(n, t) for n, t in sales.groupby("region")["revenue"].sum().items()]
with open("/mnt/data/regions.txt", "w") as out:
    out.writelines(f"{r.name}\\t{r.total:.2f}\\n" for r in regions)
""",
    ),
    one(
        "seaborn-like grid",
        """
import matplotlib.pyplot as plt
fig, axes = plt.subplots(1, 2, figsize=(8, 3))
for ax, column in zip(axes, ["revenue", "units"]):
    ax.hist(sales[column].dropna(), bins=8)
    ax.set_title(column)
fig.savefig("/mnt/data/grid.png")
plt.close(fig)
""",
    ),
    one(
        "query with a name",
        """
limit = 20
few = sales.query("units > @limit")
few.to_csv("/mnt/data/few.csv", index=False)
""",
    ),
    one(
        "lambda and assign",
        """
out = (
    sales.assign(year=lambda d: d["date"].dt.year)
    .pivot_table(index="year", columns="region", values="revenue", aggfunc="sum")
    .round(2)
)
out  # shown
""",
        """
out.to_csv("/mnt/data/pivot.csv")
""",
        with_=("display(out)",),
    ),
    one(
        "warnings and options",
        """
import warnings
warnings.filterwarnings("ignore")
import pandas as pd
pd.set_option("display.max_columns", None)
table = pd.crosstab(sales["region"], sales["product"])
print(table)
table.to_csv("/mnt/data/cross.csv")
""",
        without=("warnings", "set_option"),
    ),
    one(
        "figures in prints",
        """
total = sales["revenue"].sum()
print(f"Total: {total:,.2f}")
print("Rows:", len(sales))
print(round(total / len(sales), 3))
""",
        lines=5,
    ),
    one(
        "only a look",
        """
print(sales.head(2))
""",
        lines=1,
    ),
    one(
        "numpy",
        """
import numpy as np
values = sales["revenue"].to_numpy()
low, high = np.nanpercentile(values, [5, 95])
np.savetxt("/mnt/data/ends.txt", np.array([low, high]))
""",
    ),
    one(
        "writes and reads back",
        """
import pandas as pd
sales.to_csv("/mnt/data/copy.csv", index=False)
back = pd.read_csv("/mnt/data/copy.csv", parse_dates=["date"])
back.groupby("region")["units"].sum().to_csv("/mnt/data/back.csv")
""",
        without=("# ",),
    ),
    one(
        "zip",
        """
import zipfile
sales.head(3).to_csv("/mnt/data/a.csv", index=False)
with zipfile.ZipFile("/mnt/data/all.zip", "w") as archive:
    archive.write("/mnt/data/a.csv", "a.csv")
""",
    ),
    one(
        "excel writer",
        """
import pandas as pd
with pd.ExcelWriter("/mnt/data/regions.xlsx") as writer:
    for region, part in sales.groupby("region"):
        part.to_excel(writer, sheet_name=region, index=False)
""",
    ),
    one(
        "semicolons",
        """
import os; import pandas as pd
df = pd.read_feather("/mnt/data/sales.arrow"); n = len(df)
open("/mnt/data/n.txt", "w").write(str(n)); print(os.sep)
""",
    ),
    one(
        "strings of many lines",
        '''
query = """
region in ["north",
           "south"]
"""
text = f"""# Report
{sales["revenue"].sum():.1f}
"""
with open("/mnt/data/report.md", "w") as out:
    out.write(text)
print(query.strip())
''',
    ),
    one(
        "bytes and signs",
        """
# Übersicht: 売上
größe = sales["units"].max()
with open("/mnt/data/größe.txt", "w", encoding="utf-8") as f: f.write(f"größte: {größe} 個")
""",
    ),
    one(
        "nested",
        """
import pandas as pd
def best(frame, n=3):
    def key(row):
        return row["revenue"] * factor
    factor = 2
    return frame.assign(score=frame.apply(key, axis=1)).nlargest(n, "score")
best(pd.read_feather("/mnt/data/sales.arrow").dropna()).to_csv("/mnt/data/best.csv", index=False)
""",
    ),
    one(
        "try",
        """
import pandas as pd
try:
    df = pd.read_parquet("/mnt/data/sales.arrow")
except Exception:
    df = pd.read_feather("/mnt/data/sales.arrow")
df.head(4).to_csv("/mnt/data/tried.csv", index=False)
""",
    ),
    one(
        "columns",
        """
import pandas as pd
df = pd.read_feather("/mnt/data/sales.arrow", columns=["region", "units"])
df.groupby("region").sum().to_csv("/mnt/data/units_by_region.csv")
""",
        with_=("sales[['region', 'units']]",),
    ),
    one(
        "magic",
        """
%matplotlib inline
import matplotlib.pyplot as plt
plt.bar(["a", "b"], [1, 2])
plt.show()
""",
    ),
    one(
        "polars",
        """
import polars as pl
frame = pl.read_ipc("/mnt/data/sales.arrow")
frame.group_by("region").agg(pl.col("units").sum()).sort("region").write_csv("/mnt/data/pl.csv")
""",
    ),
    Thread(
        "follow-up",
        (
            (
                LOOK,
                """
by_region = df.groupby("region")["revenue"].sum()
print(by_region)
""",
            ),
            (
                """
import matplotlib.pyplot as plt
by_region.plot.bar(title="Revenue")
plt.tight_layout()
by_region.to_csv("/mnt/data/by_region.csv")
""",
            ),
        ),
        lines=7,
        without=("info", "print"),
    ),
    Thread(
        "follow-up uses a definition",
        (
            (
                """
import pandas as pd
RATE = 1.1
def gross(frame):
    return frame["revenue"] * RATE
def other():
    return None
gross(sales).to_csv("/mnt/data/gross.csv")
""",
            ),
            (
                """
north = sales[sales["region"] == "north"]
gross(north).to_csv("/mnt/data/north.csv")
""",
            ),
        ),
        without=("other", "gross.csv"),
    ),
    Thread(
        "follow-up reads what was written",
        (
            (
                """
sales.groupby("product")["units"].sum().to_csv("/mnt/data/units_by_product.csv")
sales.head(1).to_csv("/mnt/data/else.csv")
""",
            ),
            (
                """
import pandas as pd
units = pd.read_csv("/mnt/data/units_by_product.csv")
units.sort_values("units").to_csv("/mnt/data/ordered.csv", index=False)
""",
            ),
        ),
        without=("else.csv", "# "),
    ),
    Thread(
        "follow-up on a changed frame",
        (
            ('sales["year"] = sales["date"].dt.year\nprint(sales["year"].unique())',),
            ('sales.groupby("year")["units"].sum().to_csv("/mnt/data/years.csv")',),
        ),
    ),
    Thread(
        "attached again",
        (
            ('sales["year"] = 1\ntotal = sales.groupby("year")["units"].sum()',),
            ('total.to_csv("/mnt/data/total.csv")\nprint("year" in sales.columns)',),
        ),
        attached_again=True,
    ),
    Thread(
        "follow-up on axes",
        (
            (
                """
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.plot(sales["date"], sales["units"])
""",
            ),
            ('ax.set_title("Units by day")\nfig.savefig("/mnt/data/titled.png")\nfig',),
        ),
        with_=("ax.plot",),
    ),
    Thread(
        "three turns",
        (
            ("a = 1\nb = 2\nprint(a + b)",),
            ("c = a + 10",),
            ('open("/mnt/data/c.txt", "w").write(str(c))',),
        ),
        lines=5,
        without=("b = 2",),
    ),
]
