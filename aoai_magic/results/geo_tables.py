"""GeoParquet that came back: its shapes, where the notebook uses GeoPandas.

https://geoparquet.org/releases/v1.1.0/: the schema's metadata says under ``geo`` which
columns are shapes, as WKB, and in which coordinates they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

Frame = Any


def with_geometry(frame: Frame, table: Any) -> Frame:
    """Make a GeoDataFrame of a DataFrame whose table says that it is one."""
    geopandas = sys.modules.get("geopandas")
    metadata = (table.schema.metadata or {}).get(b"geo")
    if geopandas is None or not metadata:
        return frame
    geo = json.loads(metadata)
    for name, column in geo["columns"].items():
        if column["encoding"] == "WKB":
            frame[name] = geopandas.GeoSeries.from_wkb(frame[name], crs=_system(column))
    return geopandas.GeoDataFrame(frame, geometry=geo["primary_column"])


def _system(column: Mapping[str, Any]) -> Any:
    """Return the system of coordinates; one that is not named is longitude and latitude."""
    return column.get("crs", "OGC:CRS84")
