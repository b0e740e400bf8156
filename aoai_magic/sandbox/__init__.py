"""The sandbox: isolated, stateful Python sessions. Knows nothing of models or HTTP."""
