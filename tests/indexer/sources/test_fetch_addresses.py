"""A URL of a stranger cannot make this machine ask what lies behind it."""

import pytest

from indexer.errors import SourceError
from indexer.sources.web.addresses import AddressPolicy


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104 - to be refused
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
        "localhost",
        "",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_what_is_public_is_permitted(address: str) -> None:
    assert AddressPolicy().permits(address)


def test_an_operator_can_permit_a_network_and_only_it() -> None:
    policy = AddressPolicy(["10.20.0.0/16", "fd00:1::/32"])
    permitted = ["10.20.1.1", "::ffff:10.20.1.1", "64:ff9b::a14:101", "fd00:1::5", "8.8.8.8"]
    assert [address for address in permitted if policy.permits(address)] == permitted
    assert not any(map(policy.permits, ["10.21.1.1", "127.0.0.1", "fd00:2::5", "2002:a14:101::"]))


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(SourceError, match=r"fetch_allowed_networks: 10\.0\.0\.1/8"):
        AddressPolicy(["10.0.0.1/8"])
