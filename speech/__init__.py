"""Floor 0: the words, and what may be asked of them. No input or output."""
