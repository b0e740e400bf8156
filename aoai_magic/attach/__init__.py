"""Getting the user's data ready for the interpreter."""
