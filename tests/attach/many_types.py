"""A frame of many types for the frame libraries whose rows are with an engine."""

import numpy as np
import pandas as pd

ROWS = 1_200
FRAME = pd.DataFrame(
    {
        "number": np.arange(ROWS),
        "zone": pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Vienna"),
        "nanoseconds": pd.to_datetime(np.arange(ROWS), unit="ns"),
        "region": pd.Categorical(["N", "S", None] * (ROWS // 3), ["S", "N", "W"], ordered=True),
        "text": ["a", None] * (ROWS // 2),
        "nullable": pd.array([1, None] * (ROWS // 2), "Int64"),
    }
)
