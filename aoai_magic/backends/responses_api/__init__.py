"""The backend that speaks the Responses API to a service."""
