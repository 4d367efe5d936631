"""The languages of the Whisper family, as the codes that its tokenizer knows.

Source: https://github.com/openai/whisper/blob/main/whisper/tokenizer.py
"""

from __future__ import annotations

ENGLISH: tuple[str, ...] = ("en",)
"""The ``.en`` and distilled models know this one only."""

_WHISPER = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id "
    "is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si "
    "sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)

WHISPER: tuple[str, ...] = tuple(_WHISPER.split())
"""The 99 languages of the multilingual models up to large-v2."""

WHISPER_V3: tuple[str, ...] = (*WHISPER, "yue")
"""large-v3 and its turbo know Cantonese too."""
