"""Evaluation sets of real speech, built from packages of Debian: nothing of them lies in the repository."""
