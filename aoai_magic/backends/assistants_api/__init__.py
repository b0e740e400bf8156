"""The backend that speaks the Assistants API to an engine."""
