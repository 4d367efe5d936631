"""Floor 6: the worker type, which keeps the models warm and runs flow runs in threads beside them."""
