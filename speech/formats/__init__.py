"""Ways to write a transcript: subtitles, text, tables, JSON. A new one is one file and a line in the registry."""

from speech.formats.registry import FORMATS, Format, UnknownFormat, find, names, render, resolve

__all__ = ["FORMATS", "Format", "UnknownFormat", "find", "names", "render", "resolve"]
