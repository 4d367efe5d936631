"""What recognisers write where nobody speaks: the lines that end films and videos, and descriptions of sounds.

Only lines that people hardly say otherwise are here: a plain "thank you" is told by its sound. They are those that
users of Whisper report of silence and music in many languages; see
https://github.com/openai/whisper/discussions/928 and https://arxiv.org/abs/2501.11378.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")

_LINES = (
    "thank you for watching",
    "thank you so much for watching",
    "thanks for watching",
    "thank you so much for watching and i ll see you in the next video",
    "i ll see you in the next video",
    "see you in the next video",
    "please subscribe",
    "please subscribe to my channel",
    "like and subscribe",
    "subtitles by the amara org community",
    "transcription by castingwords",
    "sous titres réalisés par la communauté d amara org",
    "sous titres réalisés para la communauté d amara org",
    "sous titrage st 501",
    "sous titrage société radio canada",
    "merci d avoir regardé cette vidéo",
    "abonnez vous",
    "untertitel der amara org community",
    "untertitel im auftrag des zdf für funk 2017",
    "untertitel von stephanie geiges",
    "vielen dank fürs zuschauen",
    "subtítulos realizados por la comunidad de amara org",
    "subtítulos por la comunidad de amara org",
    "suscríbete",
    "suscríbete al canal",
    "gracias por ver el video",
    "sottotitoli creati dalla comunità amara org",
    "sottotitoli e revisione a cura di qtss",
    "grazie per la visione",
    "legendas pela comunidade amara org",
    "obrigado por assistir",
    "ondertitels ingediend door de amara org gemeenschap",
    "napisy stworzone przez społeczność amara org",
    "dziękuję za uwagę",
    "субтитры сделал dimatorzok",
    "субтитры создавал dimatorzok",
    "субтитры подогнал симон",
    "редактор субтитров а семкин корректор а егорова",
    "продолжение следует",
    "спасибо за просмотр",
    "подписывайтесь на канал",
    "altyazı m k",
    "izlediğiniz için teşekkür ederim",
    "ご視聴ありがとうございました",
    "チャンネル登録お願いします",
    "시청해주셔서 감사합니다",
    "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
    "字幕由amara org社区提供",
    "谢谢观看",
)


def _bare(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))


_BARE_LINES = frozenset(_bare(line) for line in _LINES)
_DESCRIPTION = re.compile(r"(\s*(\[[^\]]*\]|\([^)]*\)|\*[^*]+\*|[♪♫♬]+[^♪♫♬]*[♪♫♬]+|[♪♫♬])[\s.,!?…]*)+")


def is_boilerplate(text: str) -> bool:
    """Whether the text is nothing but such a line, once or several times over."""
    bare = _bare(text)
    return bare in _BARE_LINES or any(_times_over(bare, line) for line in _BARE_LINES if bare.startswith(line))


def is_description(text: str) -> bool:
    """Whether the text only describes sounds, in brackets or between notes: nobody says that."""
    return _DESCRIPTION.fullmatch(text) is not None


def _times_over(text: str, line: str) -> bool:
    return len(text) % len(line) == 0 and text == line * (len(text) // len(line))
