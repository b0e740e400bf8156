"""The far sides that can do a turn; each turns its own stream into our events."""
