"""What audio is inside the product: mono float32 at 16 kHz. Everything else is converted at the door."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio.rate import SAMPLE_RATE as SAMPLE_RATE

Samples = NDArray[np.float32]
"""Mono audio at 16 kHz, shape (samples,), dtype float32, in [-1, 1]."""
