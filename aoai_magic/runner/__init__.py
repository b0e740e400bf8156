"""One turn, from question to result, in the kernel."""
