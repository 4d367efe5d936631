"""Bytes to mono float32 at 16 kHz: probe and decode in a disposable process, spool, speech, pieces, quality."""
