"""Blocks and addresses: our patterns and filters say what Python's ipaddress says."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bob_ci.template import network, patterns

V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**128 - 1) | st.sampled_from(
    [0, 1, 2**128 - 1, 0xFFFF << 32, 1 << 64, 1 << 112, 0xFE80 << 112]
)
SPELLED6 = st.builds(
    lambda number, how: how(ipaddress.IPv6Address(number)),
    V6,
    st.sampled_from(
        [
            str,
            lambda address: address.exploded,
            lambda address: str(address).upper(),
            lambda address: (
                ":".join(address.exploded.split(":")[:6])
                + ":"
                + str(ipaddress.IPv4Address(int(address) % 2**32))
            ),
        ]
    ),
)
PREFIX4, PREFIX6 = st.none() | st.integers(0, 32), st.none() | st.integers(0, 128)
# Text that looks like an address.
NEARLY = st.text("0123456789abcdefABCDEF:./%g -", max_size=20) | st.from_regex(
    r"(([0-9a-f]{0,5}:){1,8}[0-9a-f]{0,5}|([0-9]{1,3}\.){3}[0-9]{1,3})(/[0-9]{1,3})?", fullmatch=True
)


def with_prefix(address: object, prefix: int | None) -> str:
    return f"{address}" if prefix is None else f"{address}/{prefix}"


def known(text: str) -> bool:
    """Whether Python takes it, in a spelling that Go takes too: no zone, no mask, no `/08`."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return re.fullmatch(r"[^%/]*(/(0|[1-9][0-9]*))?", text) is not None


@given(V4, PREFIX4)
def test_ipv4_blocks_are_known(address: ipaddress.IPv4Address, prefix: int | None) -> None:
    text = with_prefix(address, prefix)
    assert patterns.matches(patterns.BLOCK4, text)
    assert patterns.matches(patterns.BLOCK, text)


@given(SPELLED6, PREFIX6)
def test_ipv6_blocks_are_known(address: str, prefix: int | None) -> None:
    text = with_prefix(address, prefix)
    assert patterns.matches(patterns.BLOCK, text)
    assert not patterns.matches(patterns.BLOCK4, text)


@given(NEARLY)
@example("10.0.0.0/08")
@example("10.0.0.0/33")
@example("010.0.0.1")
@example("10.0.0.1\n")
@example("1:2:3:4:5:6:7::")
@example("::1:2:3:4:5:6:7")
@example("1::2::3")
@example("1:2:3:4:5:6:7:8:9")
@example("::ffff:1.2.3.4/128")
@example("1.2.3.4::")
@example("fe80::1%eth0")
@example("10.0.0.0/255.0.0.0")
@example("٣.0.0.1")
def test_nothing_else_is_known(text: str) -> None:
    assert patterns.matches(patterns.BLOCK, text) == known(text)
    assert patterns.matches(patterns.BLOCK4, text) == (known(text) and ":" not in text)


@given(V4, PREFIX4)
def test_network_filters(address: ipaddress.IPv4Address, prefix: int | None) -> None:
    text = with_prefix(address, prefix)
    expected = ipaddress.IPv4Network(text, strict=False)
    assert network.network_address(text) == str(expected.network_address)
    assert network.netmask(text) == str(expected.netmask)
    assert network.prefix_length(text) == str(expected.prefixlen)
    assert network.has_host_bits(text) == (address != expected.network_address)


@given(V4, st.none() | st.integers(24, 32))
def test_hosts(address: ipaddress.IPv4Address, prefix: int | None) -> None:
    text = with_prefix(address, prefix)
    expected = list(ipaddress.IPv4Network(text, strict=False).hosts())
    assert network.hosts(text) == [str(host) for host in expected]


@pytest.mark.parametrize("text", ["10.0.0.0/23", "10.0.0.0/0", "0.0.0.0/0"])
def test_hosts_has_a_limit(text: str) -> None:
    with pytest.raises(network.NotABlockError, match="at most 256 in one block"):
        network.hosts(text)


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/33", "::1", "10.0.0.0/8 "])
def test_no_block(text: str) -> None:
    for function in (network.hosts, network.network_address, network.netmask, network.prefix_length):
        with pytest.raises(network.NotABlockError, match="not an IPv4 address or block"):
            function(text)
    assert not network.has_host_bits(text)
