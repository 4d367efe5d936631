"""The command line: `woa`."""
