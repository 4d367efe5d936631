"""Floor 3: who can recognise. The base, the registry, and one file for each provider."""
