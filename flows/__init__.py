"""Floor 6: sentences made of tasks."""
