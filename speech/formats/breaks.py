"""Where a line may break: between words, and inside text of scripts that are written without spaces.

The rules are a small part of UAX #14: no line begins with closing punctuation or a mark, none ends with opening
punctuation. A word of a script with spaces is never cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from unicodedata import category

from speech.formats.width import columns

# Thai, Lao, Tibetan, Myanmar, Khmer, Tai, Balinese, Javanese; CJK punctuation, kana, bopomofo, ideographs, full width.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\ua9df"
    "\u2e80-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff]"
)
_NOT_FIRST = frozenset(
    ",.!?:;%)]}»”’…、。，．！？：；％）］｝」』】〉》〕〗〙〟’”・･ー～々〻ゝゞヽヾぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"
    "｡｣､ｰｧｨｩｪｫｬｭｮｯ\u0e30\u0e32\u0e33\u0e45\u0e46\u0eb0\u0eb2\u0eb3\u0ec6\u0f0b\u0f0d\u104a\u104b\u17d4\u17d5"
)
_NOT_LAST = frozenset(
    "([{«“‘（［｛「『【〈《〔〖〘〝｢$£¥￥＄\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4"
)
_MARKS = frozenset({"Mn", "Mc", "Me", "Cf"})
_BREAK_HERE = "\N{ZERO WIDTH SPACE}"
_NO_BREAK_SPACES = frozenset("\u00a0\u2007\u202f")
# Zero width joiner, word joiner; in Myanmar and Khmer the next consonant is written below this one.
_JOINING = _NO_BREAK_SPACES | frozenset("\u200d\u2060\u1039\u17d2")
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")


def unspaced(text: str) -> bool:
    """Whether the text holds characters of a script that is written without spaces."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def breakable(left: str, right: str) -> bool:
    """Whether a line may end with the character ``left`` and the next begin with ``right``, without a space."""
    if left == _BREAK_HERE:
        return True
    if not separable(left, right) or right in _NOT_FIRST or left in _NOT_LAST:
        return False
    if "\u0f00" <= left <= "\u0fff":
        return left in "\u0f0b\u0f0d"  # Tibetan breaks behind its own dots
    return unspaced(left) or unspaced(right)


def separable(left: str, right: str) -> bool:
    """Whether the two characters are not parts of one that is shown (a letter and its mark, a joined emoji)."""
    if left in _JOINING or right in _NO_BREAK_SPACES or category(right) in _MARKS:
        return False
    return not _SKIN_TONES[0] <= right <= _SKIN_TONES[1]


def pieces(text: str, width: int) -> Iterator[str]:
    """Cut unspaced text wherever a line may break; a piece still wider than ``width`` columns, between characters."""
    for piece in _cut(text, breakable):
        yield from (piece,) if columns(piece) <= width else _filled(_cut(piece, _between_characters), width)


def _cut(text: str, allowed: Callable[[str, str], bool]) -> Iterator[str]:
    start = 0
    for index in range(1, len(text)):
        if allowed(text[index - 1], text[index]):
            yield text[start:index]
            start = index
    yield text[start:]


def _between_characters(left: str, right: str) -> bool:
    return separable(left, right) and (unspaced(left) or unspaced(right))


def _filled(parts: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and columns(line) + columns(part) > width:
            yield line
            line = ""
        line += part
    yield line
