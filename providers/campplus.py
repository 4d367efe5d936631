"""CAM++, a network that turns speech into a vector of the voice, and how pyannote.audio calls it.

H. Wang et al., CAM++: a fast and efficient network for speaker verification using context-aware masking,
https://arxiv.org/abs/2303.00332. Names of layers are those of the published weights (3D-Speaker).

Imported when the weights are loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
import torchaudio.compliance.kaldi as kaldi
from pyannote.audio import Model
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16000
MELS = 80
SHORTEST = 3
"""Frames of 10 ms: with fewer there is no deviation over time, and the vector is NaN."""

_GROWTH = 32
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of each dense block."""
_SEGMENT = 100


class CampPlus(Model):  # type: ignore[misc]
    """The network behind pyannote's interface of speaker embeddings: waveforms and weights in, vectors out."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__(sample_rate=SAMPLE_RATE)
        self._size = state["xvector.dense.linear.weight"].shape[0]
        self.network = _network(self._size)
        self.network.load_state_dict(state, strict=True)

    @property
    def shortest(self) -> int:
        """Samples without which there is no vector."""
        return SAMPLE_RATE // 100 * (SHORTEST - 1) + SAMPLE_RATE // 40

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return int(self._size)

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:
        """The vector of each waveform, shape (batch, dimension); NaN where too little of it is left.

        Args:
            waveforms: float32 in [-1, 1], shape (batch, 1, samples).
            weights: shape (batch, frames of any rate); only frames of more than 0.5 are heard.

        """
        features = _filter_banks(waveforms)
        if weights is None:
            return self._embed(features)
        heard = functional.interpolate(weights[:, None], size=features.shape[1], mode="nearest")[:, 0] > 0.5
        return torch.cat([self._embed(one[mask][None]) for one, mask in zip(features, heard, strict=True)])

    def _embed(self, features: Tensor) -> Tensor:
        if features.shape[1] < SHORTEST:
            return torch.full((features.shape[0], self.dimension), torch.nan, device=features.device)
        vectors: Tensor = self.network(features)
        return vectors


def _filter_banks(waveforms: Tensor) -> Tensor:
    # pyannote.audio asks for every voice of a window at once: the same waveform again and again.
    made: list[Tensor] = []
    for number, waveform in enumerate(waveforms):
        same = number > 0 and torch.equal(waveform, waveforms[number - 1])
        made.append(made[-1] if same else _filter_bank(waveform))
    return torch.stack(made)


def _filter_bank(waveform: Tensor) -> Tensor:
    """Log mel energies less their mean, shape (frames, 80), from one waveform of shape (1, samples)."""
    energies = kaldi.fbank(
        waveform * 32768,
        num_mel_bins=MELS,
        frame_length=25,
        frame_shift=10,
        dither=0.0,
        sample_frequency=SAMPLE_RATE,
        window_type="hamming",
        use_energy=False,
    )
    centred: Tensor = energies - energies.mean(dim=0, keepdim=True)
    return centred


def _network(dimension: int) -> nn.Module:
    return nn.Sequential(OrderedDict(turned=_Turned(), head=_Head(), xvector=_xvector(dimension)))


class _Turned(nn.Module):  # type: ignore[misc]
    """(batch, frames, mels) as (batch, 1, mels, frames)."""

    def forward(self, features: Tensor) -> Tensor:
        return features.transpose(1, 2).unsqueeze(1)


class _Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            narrow = nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False)
            self.shortcut = nn.Sequential(narrow, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(inner + self.shortcut(x))


class _Head(nn.Module):  # type: ignore[misc]
    """Two-dimensional convolutions that leave an eighth of the bands: (batch, 320, frames)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.layer2 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(self.bn2(self.conv2(x))).flatten(1, 2)


def _xvector(dimension: int, width: int = 128) -> nn.Module:
    layers: OrderedDict[str, Any] = OrderedDict()
    layers["tdnn"] = nn.Sequential(
        OrderedDict(
            linear=nn.Conv1d(32 * MELS // 8, width, 5, stride=2, padding=2, bias=False), nonlinear=_normed(width)
        )
    )
    for number, (count, dilation) in enumerate(_BLOCKS, 1):
        layers[f"block{number}"] = _Dense(width, count, dilation)
        width += count * _GROWTH
        narrow = nn.Conv1d(width, width // 2, 1, bias=False)
        layers[f"transit{number}"] = nn.Sequential(OrderedDict(nonlinear=_normed(width), linear=narrow))
        width //= 2
    layers["out_nonlinear"] = _normed(width)
    layers["stats"] = _Statistics()
    layers["dense"] = _Last(width * 2, dimension)
    return nn.Sequential(layers)


def _normed(channels: int) -> nn.Module:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))


class _Masked(nn.Module):  # type: ignore[misc]
    """A convolution whose channels are weighted by what was heard around and in the whole: context-aware masking."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(channels, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, _GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        around = functional.avg_pool1d(x, _SEGMENT, _SEGMENT, ceil_mode=True).repeat_interleave(_SEGMENT, dim=-1)
        context = x.mean(-1, keepdim=True) + around[..., : x.shape[-1]]
        return self.linear_local(x) * self.linear2(functional.relu(self.linear1(context))).sigmoid()


class _Dense(nn.Module):  # type: ignore[misc]
    """Each layer hears the input and all layers before it."""

    def __init__(self, channels: int, count: int, dilation: int) -> None:
        super().__init__()
        for number in range(count):
            self.add_module(f"tdnnd{number + 1}", _layer(channels + number * _GROWTH, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


def _layer(channels: int, dilation: int, inner: int = 4 * _GROWTH) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            nonlinear1=_normed(channels),
            linear1=nn.Conv1d(channels, inner, 1, bias=False),
            nonlinear2=_normed(inner),
            cam_layer=_Masked(inner, dilation),
        )
    )


class _Statistics(nn.Module):  # type: ignore[misc]
    """Mean and standard deviation over time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(-1), x.std(-1)], dim=-1)


class _Last(nn.Module):  # type: ignore[misc]
    """The vector itself: linear and normalised, without a rectifier."""

    def __init__(self, channels: int, dimension: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, dimension, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(dimension, affine=False)))

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x[..., None])[..., 0])
