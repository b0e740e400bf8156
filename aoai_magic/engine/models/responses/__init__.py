"""The Responses API: requests with stateless conversations, and answers read from its events."""
