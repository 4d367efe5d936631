"""Floor 7: the HTTP door. Thin: it checks, stores and shows; no inference library and no decoder is imported."""
