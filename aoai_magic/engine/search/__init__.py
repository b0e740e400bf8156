"""Search: the passages of the files in vector stores, found by the words of a query."""
