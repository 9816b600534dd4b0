"""Where webhooks may be sent, address by address."""

import socket
from ipaddress import ip_network

import psutil
import pytest

from runsd import config
from runsd.errors import Refused
from runsd.webhooks.addresses import refusal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.1.2", "0.0.0.0",  # noqa: S104 - nobody binds it
        "10.0.0.1", "172.17.0.1", "192.168.1.1", "100.64.0.1",
        "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::10.0.0.1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1",
        "nonsense",
    ],
)  # fmt: skip
def test_what_is_not_the_public_network_is_refused(address: str) -> None:
    assert refusal(address, []) is not None


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_the_public_network_is_allowed(address: str) -> None:
    assert refusal(address, []) is None


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::7"])
def test_an_admin_may_allow_a_private_network_whichever_way_it_is_written(address: str) -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert refusal(address, allowed) is None
    assert refusal("10.2.0.1", allowed) is not None


def test_no_address_of_this_host_is_reached_whatever_network_it_is_of() -> None:
    kinds = (socket.AF_INET, socket.AF_INET6)
    mine = [each.address for all in psutil.net_if_addrs().values() for each in all if each.family in kinds]
    assert mine
    assert all(refusal(address, []) for address in mine), mine


def test_what_is_allowed_are_networks() -> None:
    def allow(text: str) -> list[str]:
        settings = config.load(environment={"RUNSD_WEBHOOKS__ALLOW": text}).settings
        return [str(network) for network in settings.webhooks.networks]

    assert allow("10.1.0.0/16,::1") == ["10.1.0.0/16", "::1/128"]
    for wrong in ("10.1.0.7/16", "localhost"):
        with pytest.raises(Refused, match=r"webhooks\.allow.*as in 10\.1\.0\.0/16"):
            allow(wrong)
