"""A turn as pure values: events, the view folded from them, and their JSON."""
