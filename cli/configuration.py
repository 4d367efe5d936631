"""Settings as a command needs them: read once, or refused with a sentence for each that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speech.errors import SpeechError

if TYPE_CHECKING:
    from speech.settings import Settings


class InvalidSettings(SpeechError):
    """The environment or ``.env`` holds something that the settings do not take."""

    code = "invalid_settings"


def read_settings(**given: Any) -> Settings:
    """The settings of the environment and ``.env``, with ``given`` on top.

    Raises:
        InvalidSettings: naming each variable that is wrong, without its value, which may be a secret.

    """
    from pydantic import ValidationError
    from pydantic_settings.exceptions import SettingsError

    from speech.settings import Settings

    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [f"WOA_{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise InvalidSettings("; ".join(wrong)) from None
    except SettingsError as error:  # a list or object that is no JSON
        name = str(error).split('"')[1] if '"' in str(error) else "a setting"
        raise InvalidSettings(f"WOA_{name.upper()}: give it as JSON.") from None
