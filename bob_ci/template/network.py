"""IPv4 network blocks, as the chart's helpers compute them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from bob_ci.template.patterns import BLOCK4, matches

# More in one block than this is refused (FORMAT.md 3): each address is an entry of its own.
MAX_HOSTS = 256


class NotABlockError(ValueError):
    """What is wrong with a network block."""


def hosts(block: str) -> list[str]:
    """The host addresses of a block: of a /31 both, of a /32 or an address without prefix itself."""
    network = _network(block)
    if network.num_addresses > MAX_HOSTS:
        raise NotABlockError(f"{block}: {network.num_addresses} addresses, at most {MAX_HOSTS} in one block")
    if network.prefixlen >= 31:  # noqa: PLR2004 -- RFC 3021: both addresses are hosts
        return [str(address) for address in network]
    return [str(address) for address in network.hosts()]


def network_address(block: str) -> str:
    """The first address of the block, host bits masked."""
    return str(_network(block).network_address)


def netmask(block: str) -> str:
    """The mask in dotted form."""
    return str(_network(block).netmask)


def prefix_length(block: str) -> str:
    """The number behind the slash; 32 where there is none."""
    return str(_network(block).prefixlen)


def has_host_bits(block: str) -> bool:
    """Whether the address of an IPv4 block is not its first one."""
    if not matches(BLOCK4, block):
        return False
    return IPv4Address(block.partition("/")[0]) != _network(block).network_address


def _network(block: str) -> IPv4Network:
    if not matches(BLOCK4, block):
        raise NotABlockError(f"{block!r}: not an IPv4 address or block like 10.0.0.0/8")
    return IPv4Network(block, strict=False)
