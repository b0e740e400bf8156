"""A persona for the chats of Jupyter AI, which answers from the sandbox."""
