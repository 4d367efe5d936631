"""Figures of the product, each with the command that made it. Nothing here is a test of speed."""
