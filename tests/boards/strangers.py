"""Strangers on the air of the boards: each a host of its own, with a controller of its own, that means no good.

    strangers.py --payee ADDRESS --told FILE WAY=NAME=SOCKET [WAY=NAME=SOCKET ...]

A way is what a stranger does again and again, as soon as it is let go of:

    silent   connects and does nothing
    reader   connects, reads INFO and does nothing more
    half     connects, subscribes, and sends the first frame of a message that it never completes
    gap      connects, subscribes, and sends a frame whose counter is wrong
    copier   advertises the request tag that it hears from the payee, and hangs up on whoever connects

FILE gets one JSON object a line: who is connected since when, and how long a connection lasted that has ended. Ends
when standard input ends, so that it never outlives who started it.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time

from bumble import hci
from bumble.core import UUID
from bumble.device import Connection, Device, DeviceConfiguration, Peer
from bumble.transport import open_transport

SERVICE = UUID("b1e9a7c0-5e1d-4f0a-9c1b-0a5d0f5e7a01")
INFO = UUID("b1e9a7c0-5e1d-4f0a-9c1b-0a5d0f5e7a02")
C2S = UUID("b1e9a7c0-5e1d-4f0a-9c1b-0a5d0f5e7a03")
S2C = UUID("b1e9a7c0-5e1d-4f0a-9c1b-0a5d0f5e7a04")

PUBLIC = hci.OwnAddressType.PUBLIC
"""The air routes by public addresses."""

FLAGS = 0x01
SERVICES = (0x06, 0x07)
MANUFACTURER_DATA = 0xFF

CONNECT_TIMEOUT_S = 20
"""A payee that all others keep busy advertises only now and then."""
TOUCH_TIMEOUT_S = 30
PAUSE_S = 1
LISTEN_S = 2
ADVERTISE_S = 8

FIRST_FRAME = 0x11
LATER_FRAME = 0x10


class Told:
    """What the strangers tell of themselves."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1, encoding="ascii")

    def write(self, **event):
        event["at_s"] = round(time.monotonic(), 3)
        self.file.write(json.dumps(event) + "\n")


async def open_device(name, socket):
    """Returns a host that has taken up its controller, and the transport that keeps it."""
    transport = await open_transport(f"unix-client:{socket}")
    config = DeviceConfiguration(name=name)
    device = Device.from_config_with_hci(config, transport.source, transport.sink)
    await device.power_on()
    return device, transport


async def be_central(device, name, way, payee, told):
    """Connects and does what its way is, waits until it is let go of, and comes again."""
    while True:
        connection = await connect(device, payee)
        if connection is None:
            continue
        ended = asyncio.get_running_loop().create_future()
        connection.on(
            Connection.EVENT_DISCONNECTION,
            lambda _reason, ended=ended: None if ended.done() else ended.set_result(None),
        )
        since = time.monotonic()
        told.write(who=name, way=way, event="connected")
        touched = await touch(connection, way, ended)
        await ended
        lasted = round(time.monotonic() - since, 3)
        told.write(who=name, way=way, event="ended", lasted_s=lasted, touched=touched)
        await asyncio.sleep(PAUSE_S)


async def connect(device, payee):
    try:
        return await device.connect_le(
            hci.Address(payee, hci.Address.PUBLIC_DEVICE_ADDRESS),
            own_address_type=PUBLIC,
            timeout=CONNECT_TIMEOUT_S,
        )
    except Exception as error:  # whatever it is, a stranger comes again
        logging.info("no connection: %s", error)
        await asyncio.sleep(PAUSE_S)
        return None


async def touch(connection, way, ended):
    """Does to the payee's service what its way is, and returns whether it could: the payee may end it before."""
    doing = {"silent": nothing, "reader": read_info, "half": send_half, "gap": send_gap}[way]
    work = asyncio.ensure_future(doing(connection))
    await asyncio.wait({work, ended}, timeout=TOUCH_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
    try:
        await work
        return True
    except (Exception, asyncio.CancelledError) as error:
        logging.info("not touched: %s", error)
        return False


async def nothing(_connection):
    pass


async def read_info(connection):
    characteristics = await find(connection)
    await characteristics[INFO].read_value()


async def send_half(connection):
    characteristics = await find(connection)
    await characteristics[S2C].subscribe(lambda _value: None)
    announced = (200).to_bytes(2, "big")
    frame = bytes([FIRST_FRAME, 0]) + os.urandom(4) + announced + bytes(10)
    await characteristics[C2S].write_value(frame, with_response=False)


async def send_gap(connection):
    characteristics = await find(connection)
    await characteristics[S2C].subscribe(lambda _value: None)
    frame = bytes([LATER_FRAME, 3]) + os.urandom(4) + bytes(10)
    await characteristics[C2S].write_value(frame, with_response=False)


async def find(connection):
    peer = Peer(connection)
    await peer.request_mtu(185)
    services = await peer.discover_service(SERVICE)
    found = await peer.discover_characteristics(service=services[0])
    return {characteristic.uuid: characteristic for characteristic in found}


async def be_copier(device, name, way, payee, told):
    """Listens for the payee's tags, advertises the newest as its own, and hangs up on all who come."""
    heard = {}

    def listen(advertisement):
        if advertisement.address.to_string(False) == payee.upper():
            copied = copy(advertisement.data_bytes)
            if copied:
                heard[copied] = time.monotonic()

    def hang_up(connection):
        told.write(who=name, way=way, event="hung_up")
        asyncio.ensure_future(drop(connection))

    device.on(Device.EVENT_ADVERTISEMENT, listen)
    device.on(Device.EVENT_CONNECTION, hang_up)
    while True:
        await device.start_scanning(active=False, own_address_type=PUBLIC)
        await asyncio.sleep(LISTEN_S)
        await device.stop_scanning()
        if not heard:
            continue
        newest = max(heard, key=heard.get)
        await device.start_advertising(
            own_address_type=PUBLIC,
            auto_restart=True,
            advertising_data=newest,
            scan_response_data=b"",
            advertising_interval_min=100,
            advertising_interval_max=100,
        )
        await asyncio.sleep(ADVERTISE_S)
        try:
            await device.stop_advertising()
        except Exception as error:  # a connection has stopped it
            logging.info("not advertising: %s", error)


def copy(data):
    """Returns an advertisement as a payee's, with the same tag; nothing for one without a tag."""
    kept, has_tag = b"", False
    while len(data) > 1 and data[0] > 0:
        element, data = data[: data[0] + 1], data[data[0] + 1 :]
        if element[1] in (FLAGS, *SERVICES, MANUFACTURER_DATA):
            kept += element
            has_tag = has_tag or element[1] == MANUFACTURER_DATA
    return kept if has_tag and len(kept) <= 31 else None


async def drop(connection):
    try:
        await connection.disconnect()
    except Exception as error:  # it has gone by itself
        logging.info("not dropped: %s", error)


async def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--payee", required=True, metavar="ADDRESS")
    arguments.add_argument("--told", required=True, metavar="FILE")
    arguments.add_argument("strangers", nargs="+", metavar="WAY=NAME=SOCKET")
    options = arguments.parse_args()

    logging.basicConfig(level=os.environ.get("STRANGERS_LOG", "WARNING"), stream=sys.stderr)
    told = Told(options.told)
    kept = []
    for stranger in options.strangers:
        way, name, socket = stranger.split("=", 2)
        device, transport = await open_device(name, socket)
        be = be_copier if way == "copier" else be_central
        task = asyncio.ensure_future(be(device, name, way, options.payee, told))
        kept.append((device, transport, task))
    print("ready", flush=True)

    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def listen():
        if not sys.stdin.buffer.read1(1) and not ended.done():
            ended.set_result(None)

    loop.add_reader(sys.stdin, listen)
    tasks = [task for _, _, task in kept]
    # a stranger that fails is a fault of this program
    done, _ = await asyncio.wait({ended, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in done - {ended}:
        task.result()


if __name__ == "__main__":
    asyncio.run(main())
