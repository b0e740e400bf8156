"""The Chat Completions API as servers really speak it."""
