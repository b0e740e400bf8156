"""The agent: calls a model, runs its code, writes down what happened."""
