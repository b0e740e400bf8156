"""The Responses API with containers and conversations."""
