"""Floor 2: models in memory, and whose turn it is to use the device."""
