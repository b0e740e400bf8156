"""The views of a turn: live widgets, frozen bundles, the terminal."""
