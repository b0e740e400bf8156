"""Bytes → Arrow tables: the one reader of files that are attached and of files that come back."""
