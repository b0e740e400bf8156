"""The view of a turn as it stands in a saved notebook or document."""
