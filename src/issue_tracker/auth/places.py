"""The origin of an attempt to sign in: its address, in the form in which it is counted, and a recognized browser."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import sign_in_addresses, sign_in_devices
from issue_tracker.errors import NotFound

DEVICES_PER_USER, ADDRESSES_PER_USER = 50, 200
"""Maximum number of a user's browsers and addresses that are stored; the least recently used are deleted."""


USER_AGENT_LIMIT = 500
"""Maximum number of characters stored of a User-Agent header, with a session as well as with a browser."""

ID_LENGTH = 16
"""Number of characters of a browser's token hash that serve as its id. They reveal nothing about the token."""


class Networks(msgspec.Struct, frozen=True):
    """What counts as one address, and the larger network around it; empty if no network is counted."""

    address: str
    network: str


def networks_of(address: str) -> Networks:
    """Returns the networks under which the IP address of a client is counted.

    For IPv6, these are the /64, in which a client can use any address, and the /48, the largest network that providers
    assign to a customer (RFC 6177). An IPv4-mapped IPv6 address counts as IPv4. Any other text counts as it is.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return Networks(address, "")
    if not isinstance(found, IPv6Address):
        return Networks(str(found), "")
    if found.ipv4_mapped is not None:
        return Networks(str(found.ipv4_mapped), "")
    narrow, wide = (ip_network((found, length), strict=False) for length in (64, 48))
    return Networks(str(narrow), str(wide))


def is_known_address(tx: Connection, user_id: int, address: str) -> bool:
    """Returns whether the user has signed in from this address before. `address` is that of `networks_of`."""
    known = sign_in_addresses.c.user_id == user_id, sign_in_addresses.c.address == address
    return tx.execute(select(sign_in_addresses.c.user_id).where(*known)).first() is not None


def known_device(tx: Connection, user_id: int, token: str | None) -> str | None:
    """Returns the stored hash of a browser's token; None if the user has not signed in with this browser before."""
    if not token:
        return None
    known = sign_in_devices.c.device_hash == _device_hash(token), sign_in_devices.c.user_id == user_id
    return tx.execute(select(sign_in_devices.c.device_hash).where(*known)).scalar_one_or_none()


def is_trusted(tx: Connection, user_id: int, token: str | None, at: datetime) -> bool:
    """Returns whether the user needs no second factor in this browser at `at`."""
    if not token:
        return False
    known = sign_in_devices.c.device_hash == _device_hash(token), sign_in_devices.c.user_id == user_id
    trusted = select(sign_in_devices.c.device_hash).where(*known, sign_in_devices.c.second_factor_until > at)
    return tx.execute(trusted).first() is not None


def trust_device(tx: Connection, user_id: int, token: str, until: datetime) -> None:
    """Records that the user needs no second factor in a known browser until an instant."""
    known = sign_in_devices.c.device_hash == _device_hash(token), sign_in_devices.c.user_id == user_id
    tx.execute(update(sign_in_devices).where(*known).values(second_factor_until=until))


def remember_address(tx: Connection, user_id: int, address: str, at: datetime) -> None:
    """Records that the user has signed in from this address."""
    known = sign_in_addresses.c.user_id == user_id, sign_in_addresses.c.address == address
    if tx.execute(update(sign_in_addresses).where(*known).values(at=at)).rowcount == 0:
        tx.execute(insert(sign_in_addresses).values(user_id=user_id, address=address, at=at))
        own = sign_in_addresses.c.user_id == user_id
        last = select(sign_in_addresses.c.address).where(own)
        recent = last.order_by(sign_in_addresses.c.at.desc(), sign_in_addresses.c.address).limit(ADDRESSES_PER_USER)
        tx.execute(delete(sign_in_addresses).where(own, sign_in_addresses.c.address.not_in(recent)))


def remember_device(tx: Connection, user_id: int, token: str | None, user_agent: str, at: datetime) -> str:
    """Records that the user has signed in with a browser. Returns the token that it must send from now on.

    `user_agent` is the browser's User-Agent, by which the user can recognize it.

    The browser keeps the token that it sent if it is a token of this server, possibly that of another user.
    """
    devices = sign_in_devices.c
    ours = token and tx.execute(select(devices.device_hash).where(devices.device_hash == _device_hash(token))).first()
    cookie_token = token if token and ours else secrets.token_urlsafe(32)
    device_hash = _device_hash(cookie_token)
    known = devices.device_hash == device_hash, devices.user_id == user_id
    present = {"at": at, "user_agent": user_agent[:USER_AGENT_LIMIT]}
    if tx.execute(update(sign_in_devices).where(*known).values(present)).rowcount == 0:
        tx.execute(insert(sign_in_devices).values(device_hash=device_hash, user_id=user_id, **present))
        last = select(devices.device_hash).where(devices.user_id == user_id)
        recent = last.order_by(devices.at.desc(), devices.device_hash).limit(DEVICES_PER_USER)
        tx.execute(delete(sign_in_devices).where(devices.user_id == user_id, devices.device_hash.not_in(recent)))
    return cookie_token


class Device(msgspec.Struct, frozen=True):
    """A browser in which a user has signed in. `used_at` is the last sign-in; `current` is that of this request."""

    id: str
    user_agent: str
    used_at: Timestamp
    current: bool


def list_devices(tx: Connection, user_id: int, current_token: str | None) -> list[Device]:
    """Returns a user's browsers, the last used first. `current_token` is the one that this request's browser sent."""
    devices = sign_in_devices.c
    query = select(devices.device_hash, devices.user_agent, devices.at).where(devices.user_id == user_id)
    current = _device_hash(current_token) if current_token else None
    return [
        Device(row.device_hash[:ID_LENGTH], row.user_agent or "", iso(row.at), row.device_hash == current)
        for row in tx.execute(query.order_by(devices.at.desc(), devices.device_hash))
    ]


def list_all_devices(tx: Connection, user_ids: Collection[int]) -> list[tuple[int, Device, datetime | None]]:
    """Returns the browsers of several users, the last used first, each with the id of its user, and the time until
    which this user needs no second factor there.
    """
    devices = sign_in_devices.c
    columns = (devices.user_id, devices.device_hash, devices.user_agent, devices.at, devices.second_factor_until)
    query = select(*columns).where(one_of(tx, devices.user_id, user_ids))
    query = query.order_by(devices.at.desc(), devices.device_hash)
    return [
        (
            row.user_id,
            Device(row.device_hash[:ID_LENGTH], row.user_agent or "", iso(row.at), False),
            row.second_factor_until,
        )
        for row in tx.execute(query)
    ]


def forget_device(tx: Connection, user_id: int, device_id: str) -> None:
    """Forgets one of a user's browsers, which is then unknown at the next sign-in. Raises NotFound for any other."""
    devices = sign_in_devices.c
    query = select(devices.device_hash).where(devices.user_id == user_id)
    found = [known for known in tx.execute(query).scalars() if known[:ID_LENGTH] == device_id]
    if not found:
        raise NotFound("There is no such browser.")
    tx.execute(delete(sign_in_devices).where(devices.user_id == user_id, devices.device_hash.in_(found)))


def forget_places(tx: Connection, user_id: int) -> None:
    """Forgets every browser and address of a user, so that the next sign-in is from an unknown place."""
    tx.execute(delete(sign_in_devices).where(sign_in_devices.c.user_id == user_id))
    tx.execute(delete(sign_in_addresses).where(sign_in_addresses.c.user_id == user_id))


def _device_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
