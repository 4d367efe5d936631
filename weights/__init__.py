"""Where models come from (a folder, the hub at a pinned revision, a wheel by sha256), and what is on disk."""
