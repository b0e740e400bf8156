"""Settings and prices."""
