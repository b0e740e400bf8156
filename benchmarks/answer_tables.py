"""The tables of `answers.py`: public ones that a package ships, and made ones with dirt.

Made tables are the same at every run. Their traps are everyday ones: duplicates, missing
values, amounts as text, mixed case, dates as text, a code with leading zeros.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.data

PENGUINS = Path(__file__).parents[1] / "notebooks" / "data" / "penguins.csv"
WEATHER = PENGUINS.with_name("seattle-weather.csv")


@cache
def tables() -> dict[str, pd.DataFrame]:
    """Return every table by the name that questions use."""
    return {
        "penguins": pd.read_csv(PENGUINS),
        "weather": pd.read_csv(WEATHER, parse_dates=["date"]),
        "tips": plotly.data.tips(),
        "gapminder": plotly.data.gapminder(),
        "sales": _sales(),
        "staff": _staff(),
        **_shop(),
    }


def _sales() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    days = pd.date_range("2024-01-01", "2025-06-30", freq="D")
    size = 1500
    units = rng.integers(1, 40, size)
    price = rng.choice([4.5, 9.0, 12.25, 30.0], size)
    frame = pd.DataFrame(
        {
            "date": rng.choice(days, size),
            "region": rng.choice(["North", "South", "East", "West"], size, p=[0.4, 0.3, 0.2, 0.1]),
            "product": rng.choice(["pen", "ink", "paper", "desk"], size),
            "units": units,
            "price": price,
            "revenue": units * price,
            "returned": rng.random(size) < 0.08,
        }
    )
    return frame.sort_values("date", ignore_index=True)


def _staff() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    size = 200
    pay = rng.integers(28, 140, size) * 1000
    frame = pd.DataFrame(
        {
            "id": [f"{number:05d}" for number in rng.permutation(size) + 1],
            "department": rng.choice(["Sales", "sales", "HR", "IT ", "IT"], size),
            "salary": [f"${value:,}" for value in pay],
            "hired": pd.to_datetime(rng.integers(0, 4000, size), unit="D", origin="2012-01-01")
            .strftime("%d/%m/%Y")
            .to_numpy(),
            "rating": np.where(rng.random(size) < 0.15, np.nan, rng.integers(1, 6, size)),
        }
    )
    return pd.concat([frame, frame.iloc[:12]], ignore_index=True)


def _shop() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(3)
    customers = pd.DataFrame(
        {
            "customer_id": range(1, 61),
            "city": rng.choice(["Paris", "Lyon", "Nice", "Lille"], 60),
            "segment": rng.choice(["retail", "business"], 60),
        }
    )
    products = pd.DataFrame(
        {
            "product_id": range(100, 112),
            "category": rng.choice(["books", "games", "tools"], 12),
            "unit_price": rng.integers(3, 90, 12),
        }
    )
    orders = pd.DataFrame(
        {
            "order_id": range(1, 801),
            "customer_id": rng.integers(1, 56, 800),
            "product_id": rng.integers(100, 112, 800),
            "quantity": rng.integers(1, 6, 800),
        }
    )
    return {"customers": customers, "products": products, "orders": orders}


def staff_clean() -> pd.DataFrame:
    """Return the staff without duplicates, every column as it is meant."""
    frame = _staff().drop_duplicates()
    return frame.assign(
        department=frame.department.str.strip().str.lower(),
        salary=frame.salary.str.replace(r"[$,]", "", regex=True).astype(int),
        hired=pd.to_datetime(frame.hired, format="%d/%m/%Y"),
    )


def shop() -> pd.DataFrame:
    """Return orders with their customers and products."""
    held = tables()
    joined = held["orders"].merge(held["customers"]).merge(held["products"])
    return joined.assign(amount=joined.quantity * joined.unit_price)
