from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from offline_notebook import Notebook, Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def notebook(worker, tmp_path) -> Notebook:
    return Notebook(worker, tmp_path)


@pytest.fixture
def new_notebook(worker, tmp_path_factory) -> Callable[[], Notebook]:
    return lambda: Notebook(worker, tmp_path_factory.mktemp("notebook"))


@pytest.fixture(scope="session")
def sales() -> pd.DataFrame:
    """Two years of orders; the region Asia grows by four fifths in the second."""
    random = np.random.default_rng(1)
    rows = 1200
    days = random.integers(0, 730, rows)
    dates = pd.Timestamp("2022-01-01") + pd.to_timedelta(days, unit="D")
    region = random.choice(
        ["Asia", "Europe", "North America", "Africa"], rows, p=[0.3, 0.3, 0.3, 0.1]
    )
    quantity = random.integers(1, 9, rows)
    price = random.uniform(10, 200, rows).round(2)
    growth = np.where((region == "Asia") & (dates.year == 2023), 1.8, 1.0)
    return pd.DataFrame(
        {
            "order_date": dates,
            "region": region,
            "customer": [f"Customer {number:03}" for number in random.integers(0, 60, rows)],
            "product": random.choice(["Lamp", "Desk", "Chair"], rows),
            "quantity": quantity,
            "unit_price": price,
            "revenue": (quantity * price * growth).round(2),
        }
    )


@pytest.fixture(scope="session")
def uriage(sales: pd.DataFrame) -> pd.DataFrame:
    """The same orders as a Japanese table."""
    names = ["日付", "地域", "顧客名", "商品", "数量", "単価", "売上金額"]
    cities = {"Asia": "東京", "Europe": "大阪", "North America": "名古屋", "Africa": "福岡"}
    return sales.set_axis(names, axis=1).replace({"地域": cities})


@pytest.fixture(scope="session")
def yingshou(sales: pd.DataFrame) -> pd.DataFrame:
    """The same orders as a Chinese table."""
    names = ["日期", "地區", "客戶", "產品", "數量", "單價", "營收"]
    cities = {"Asia": "台北", "Europe": "高雄", "North America": "台中", "Africa": "台南"}
    return sales.set_axis(names, axis=1).replace({"地區": cities})
