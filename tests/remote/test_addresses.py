from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.addresses import is_inside, is_public

PRIVATE_V4 = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]
PRIVATE_V6 = ["::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"]


@pytest.mark.parametrize(
    "text", PRIVATE_V4 + PRIVATE_V6 + ["2001::1", "2001:20::1", "3fff::1", "64:ff9b:1::1", "100::1"]
)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_ordinary_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PRIVATE_V4)
def test_a_private_address_hides_in_no_v6_form(text: str) -> None:
    number = int(ipaddress.IPv4Address(text))
    teredo = (0x20010000 << 96) | (0xFFFFFFFF ^ number)
    forms = [number, (0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80), teredo]
    assert not any(is_public(ipaddress.IPv6Address(form)) for form in forms)


def test_nat64_of_a_public_address_is_public() -> None:
    assert is_public(ipaddress.ip_address("64:ff9b::808:808"))
    assert is_public(ipaddress.ip_address("::ffff:8.8.8.8"))


@given(st.ip_addresses(v=4))
def test_public_v4_is_global_by_the_registry_too(address: ipaddress.IPv4Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=6))
def test_public_v6_is_global_by_the_registry_too(address: ipaddress.IPv6Address) -> None:
    if is_public(address) and address not in ipaddress.ip_network("64:ff9b::/96"):
        assert address.is_global
        assert not address.is_multicast


def test_networks_hold_mapped_addresses() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert is_inside(ipaddress.ip_address("::ffff:10.2.3.4"), networks)
    assert is_inside(ipaddress.ip_address("fd12::1"), networks)
    assert not is_inside(ipaddress.ip_address("11.2.3.4"), networks)
