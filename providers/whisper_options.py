"""The options of faster-whisper that a request may set in ``parameters``.

Names, defaults and meaning are those of ``WhisperModel.transcribe`` and ``BatchedInferencePipeline.transcribe`` of
faster-whisper 1.2 (https://github.com/SYSTRAN/faster-whisper), so that the same options give the same text; a test
holds the two against each other. An option that the chosen mode would ignore is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from providers.base import Parameters

Temperature = Annotated[float, Field(ge=0, le=2)]

LEFT_OUT: dict[str, str] = {
    "audio": "the piece itself",
    "language": "a field of the request",
    "task": "a field of the request",
    "initial_prompt": "a field of the request",
    "hotwords": "a field of the request",
    "word_timestamps": "a field of the request",
    "log_progress": "progress is told through the watch",
    "vad_filter": "the pipeline cuts the audio before",
    "vad_parameters": "the pipeline cuts the audio before",
    "clip_timestamps": "pieces are cut before",
}
"""Arguments of the engine that are no parameters here, and why."""

SEQUENTIAL_ONLY = frozenset(
    {
        "best_of",
        "compression_ratio_threshold",
        "condition_on_previous_text",
        "hallucination_silence_threshold",
        "max_initial_timestamp",
        "prefix",
        "prompt_reset_on_temperature",
    }
)
"""What batched decoding accepts and ignores."""

BATCHED_ONLY = frozenset({"batch_size"})

DETECTION_ONLY = frozenset({"language_detection_segments", "language_detection_threshold"})
WORDS_ONLY = frozenset({"append_punctuations", "hallucination_silence_threshold", "prepend_punctuations"})
"""What has a meaning only together with word times."""


class WhisperParameters(Parameters):
    """Options of faster-whisper; the defaults are its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    mode: Literal["sequential", "batched"] = Field(
        "sequential",
        description="sequential: each window knows the text before it; batched: several at once, faster on GPUs.",
    )
    batch_size: int = Field(8, ge=1, le=128, description="Windows decoded at once in batched mode.")
    beam_size: int = Field(5, ge=1, le=50, description="Beams at temperature 0; 1 is greedy.")
    best_of: int = Field(5, ge=1, le=50, description="Candidates at temperatures above 0.")
    patience: float = Field(1, gt=0, le=10, description="Beam search patience.")
    length_penalty: float = Field(1, ge=-10, le=10, description="Exponential length penalty.")
    repetition_penalty: float = Field(1, gt=0, le=10, description="Above 1: tokens that came already cost more.")
    no_repeat_ngram_size: int = Field(0, ge=0, le=100, description="No run of so many tokens comes twice; 0: no rule.")
    temperature: Temperature | Annotated[list[Temperature], Field(min_length=1, max_length=16)] = Field(
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
        description="Sampling temperature; of a list the next one is tried when a window fails a threshold.",
    )
    compression_ratio_threshold: float | None = Field(
        2.4, gt=0, le=1000, description="A window whose text compresses better than this has failed; null: no rule."
    )
    log_prob_threshold: float | None = Field(
        -1.0, ge=-1000, le=0, description="A window whose mean log probability is lower has failed; null: no rule."
    )
    no_speech_threshold: float | None = Field(
        0.6, ge=0, le=1, description="A failed window with a higher probability of no speech is silence; null: no rule."
    )
    condition_on_previous_text: bool = Field(True, description="Give each window the text before it.")
    prompt_reset_on_temperature: float = Field(
        0.5, ge=0, le=2, description="Forget the text before when a window needed a higher temperature."
    )
    prefix: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="How the text of the first window begins; excludes hotwords."
    )
    suppress_blank: bool = Field(True, description="No blank at the start of a window.")
    suppress_tokens: Annotated[list[Annotated[int, Field(ge=-1, le=60_000)]], Field(max_length=1000)] | None = Field(
        [-1], description="Tokens never written; -1 stands for symbols that nobody speaks."
    )
    without_timestamps: bool | None = Field(
        None, description="Only text, no times of segments from the model; null: as the mode does by itself."
    )
    max_initial_timestamp: float = Field(1.0, ge=0, le=30, description="Latest start of the first segment, in seconds.")
    prepend_punctuations: Annotated[str, Field(max_length=200)] = Field(
        "\"'“¿([{-", description="Marks that belong to the word after them."
    )
    append_punctuations: Annotated[str, Field(max_length=200)] = Field(
        "\"'.。,，!！?？:：”)]}、", description="Marks that belong to the word before them."
    )
    multilingual: bool = Field(False, description="Detect the language of every window anew.")
    max_new_tokens: int | None = Field(None, ge=1, le=448, description="Most tokens of a window; null: what fits.")
    chunk_length: int | None = Field(None, ge=1, le=30, description="Seconds of a window; null: the model's 30.")
    hallucination_silence_threshold: float | None = Field(
        None, ge=0, le=30, description="Skip silences longer than this, in seconds, around improbable words."
    )
    language_detection_threshold: float = Field(
        0.5, ge=0, le=1, description="Probability from which a detected language is believed at once."
    )
    language_detection_segments: int = Field(
        1, ge=1, le=100, description="Windows to look at when the language is not clear."
    )

    @model_validator(mode="after")
    def _heeded(self) -> Self:
        ignored = SEQUENTIAL_ONLY if self.mode == "batched" else BATCHED_ONLY
        asked = sorted(ignored & self.model_fields_set)
        if asked:
            raise ValueError(f"{self.mode} decoding has no {', '.join(asked)}")
        if self.mode == "batched" and isinstance(self.temperature, list) and "temperature" in self.model_fields_set:
            raise ValueError("batched decoding takes one temperature, not a list")
        if self.beam_size * self.patience < 1:
            raise ValueError("beam_size times patience must be at least 1")
        return self

    def arguments(self) -> dict[str, Any]:
        """These options as arguments of the engine's ``transcribe`` of the chosen mode."""
        given = self.model_dump(exclude={"mode"})
        if self.without_timestamps is None:
            del given["without_timestamps"]
        skipped = SEQUENTIAL_ONLY if self.mode == "batched" else BATCHED_ONLY
        return {name: value for name, value in given.items() if name not in skipped}
