"""The air: one virtual Bluetooth controller per board or stranger, all within reach of each other.

    air.py --trace FILE NAME=ADDRESS=SOCKET [NAME=ADDRESS=SOCKET ...]

Listens on one Unix socket per board. A machine that connects there finds a freshly powered
controller behind it (HCI in H4 packets); when it hangs up, its controller loses power and the
peers notice after the supervision timeout, as they would on a real radio. Ends when standard input
ends, so that it never outlives who started it.

The trace has one JSON object a line: what crossed the air, when (microseconds, one clock for all
boards), from whom to whom. ATT values are cut after a few bytes: frame headers, no contents.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import time

from bumble import controller, hci, link
from bumble.transport.common import StreamPacketSource

SUPERVISION_TIMEOUT_S = 0.42
"""After how long without a packet a peer is gone: the Linux kernel's default."""

ENHANCED_CONNECTION_COMPLETE_BIT = 1 << 9
"""In the LE event mask: the host wants the enhanced event instead of the plain one."""

ATT_CID = 4
DYNAMIC_CID_MIN = 0x40
"""From here on L2CAP channels have credits; BlueZ opens some for ATT (EATT) beside the fixed one."""

ATT_VALUE_HEAD_BYTES = 24
ATT_NAMES = {
    0x01: "error",
    0x02: "mtu_request",
    0x03: "mtu_response",
    0x12: "write_request",
    0x13: "write_response",
    0x1B: "notification",
    0x1D: "indication",
    0x52: "write_command",
}
ATT_ERROR = 0x01
ATT_NOTIFICATIONS = 0x23
ATT_WITH_VALUE = {0x12, 0x1B, 0x1D, 0x52}


class Trace:
    """The record of what crossed the air."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1, encoding="ascii")

    def write(self, **event):
        event["at_us"] = time.monotonic_ns() // 1000
        self.file.write(json.dumps(event) + "\n")


class Air(link.LocalLink):
    """A link between controllers that writes down what crosses it."""

    def __init__(self, trace):
        super().__init__()
        self.trace = trace
        self.unfinished = {}

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        self.note_att(sender_controller, destination_address, data)
        super().send_acl_data(sender_controller, destination_address, transport, data)

    def send_advertising_pdu(self, sender_controller, packet):
        # Of those who wait for the same advertisement each is the fastest now and then.
        hearers = [hearer for hearer in self.controllers if hearer is not sender_controller]
        random.shuffle(hearers)
        for hearer in hearers:
            asyncio.get_running_loop().call_soon(hearer.on_ll_advertising_pdu, packet)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        # A peer without power hears nothing; the base class would raise.
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def note_att(self, sender, destination_address, pdu):
        """Writes one line for an ATT packet: L2CAP is length and channel, ATT opcode, handle, value."""
        if len(pdu) < 5:
            return
        cid = int.from_bytes(pdu[2:4], "little")
        receiver = self.find_le_controller(destination_address)
        if cid == ATT_CID:
            self.write_att(sender, receiver, pdu[4:])
        elif cid >= DYNAMIC_CID_MIN:
            packet = self.reassemble((sender.name, cid), pdu[4:])
            if packet:
                self.write_att(sender, receiver, packet)

    def reassemble(self, channel, segment):
        """Returns a packet when its last segment is there; the first one begins with the length."""
        whole = self.unfinished.pop(channel, b"") + bytes(segment)
        length = int.from_bytes(whole[:2], "little")
        if len(whole) - 2 < length:
            self.unfinished[channel] = whole
            return None
        return whole[2:]

    def write_att(self, sender, receiver, packet):
        opcode = packet[0]
        event = {
            "event": "att",
            "from": sender.name,
            "to": receiver.name if receiver else None,
            "op": ATT_NAMES.get(opcode, f"0x{opcode:02x}"),
        }
        if opcode == ATT_ERROR and len(packet) >= 5:
            event["handle"] = int.from_bytes(packet[2:4], "little")
            event["code"] = packet[4]
        if opcode == ATT_NOTIFICATIONS:
            self.write_notifications(event, packet[1:])
            return
        if opcode in ATT_WITH_VALUE and len(packet) >= 3:
            value = packet[3:]
            event["handle"] = int.from_bytes(packet[1:3], "little")
            event["bytes"] = len(value)
            event["head"] = value[:ATT_VALUE_HEAD_BYTES].hex()
        self.trace.write(**event)

    def write_notifications(self, event, rest):
        """Writes a line for each of several notifications that BlueZ put into one packet."""
        while len(rest) >= 4:
            length = int.from_bytes(rest[2:4], "little")
            value = rest[4 : 4 + length]
            event.update(
                op="notification",
                handle=int.from_bytes(rest[:2], "little"),
                bytes=len(value),
                head=value[:ATT_VALUE_HEAD_BYTES].hex(),
            )
            self.trace.write(**event)
            rest = rest[4 + length :]

    def forget_unfinished(self, name):
        """Drops what a board had half sent when its connection ended."""
        for channel in [channel for channel in self.unfinished if channel[0] == name]:
            del self.unfinished[channel]


class BoardController(controller.Controller):
    """A controller as Linux expects it: known by its public address, reset by a reset."""

    @property
    def random_address(self):
        # The link routes by this one, and Linux connects by the public one.
        return self.public_address

    @random_address.setter
    def random_address(self, address):
        pass

    def send_hci_packet(self, packet):
        # Linux asks for the enhanced event, and blocks all other commands for 20 s if it never comes.
        wants_enhanced = self.le_event_mask & ENHANCED_CONNECTION_COMPLETE_BIT
        if wants_enhanced and isinstance(packet, hci.HCI_LE_Connection_Complete_Event):
            packet = hci.HCI_LE_Enhanced_Connection_Complete_Event(
                status=packet.status,
                connection_handle=packet.connection_handle,
                role=packet.role,
                peer_address_type=packet.peer_address_type,
                peer_address=packet.peer_address,
                local_resolvable_private_address=hci.Address.ANY_RANDOM,
                peer_resolvable_private_address=hci.Address.ANY_RANDOM,
                connection_interval=packet.connection_interval,
                peripheral_latency=packet.peripheral_latency,
                supervision_timeout=packet.supervision_timeout,
                central_clock_accuracy=packet.central_clock_accuracy,
            )
        super().send_hci_packet(packet)

    def on_le_connect_ind(self, packet):
        known = self.le_connections.get(packet.initiator_address)
        super().on_le_connect_ind(packet)
        connection = self.le_connections.get(packet.initiator_address)
        if connection is not known:
            self.link.trace.write(event="connected", at=self.name)
        elif connection is None and packet.advertiser_address == self.public_address:
            self.leave_unanswered(packet.initiator_address)

    def leave_unanswered(self, initiator_address):
        """Lets a central notice that another one was faster: its base class takes the link for granted."""
        initiator = self.link.find_le_controller(initiator_address)
        if initiator is None:
            return
        unanswered = initiator.le_connections.get(self.public_address)

        def notice():
            if initiator.le_connections.get(self.public_address) is unanswered:
                initiator.lose(self.public_address)

        asyncio.get_running_loop().call_later(SUPERVISION_TIMEOUT_S, notice)

    def on_le_disconnected(self, connection, reason):
        self.link.trace.write(event="disconnected", at=self.name, reason=int(reason))
        self.link.forget_unfinished(self.name)
        super().on_le_disconnected(connection, reason)

    def on_hci_reset_command(self, command):
        self.fall_silent()
        self.le_scan_enable = False
        self.advertising_sets.clear()
        return super().on_hci_reset_command(command)

    def on_hci_le_set_advertising_parameters_command(self, command):
        result = super().on_hci_le_set_advertising_parameters_command(command)
        # HCI counts in 0.625 ms; the base class takes the number as milliseconds.
        advertiser = self.le_legacy_advertiser
        advertiser.advertising_interval_min = advertiser.advertising_interval_min * 0.625
        return result

    def on_hci_le_create_connection_cancel_command(self, command):
        result = super().on_hci_le_create_connection_cancel_command(command)
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        # Linux waits for this event before it tries again; the base class never sends it.
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return result

    def fall_silent(self):
        """Stops sending. The peers notice after the supervision timeout, the own host at once."""
        self.pending_le_connection = None
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        loop = asyncio.get_running_loop()
        for connection in list(self.le_connections.values()):
            peer = self.link.find_le_controller(connection.peer_address)
            if peer is not None and peer is not self:
                loop.call_later(
                    SUPERVISION_TIMEOUT_S, peer.lose, connection.self_address
                )
        self.le_connections.clear()

    def lose(self, peer_address):
        """Ends the connection to a peer that was not heard for the supervision timeout."""
        connection = self.le_connections.get(peer_address)
        if connection is not None:
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)


class Slot(StreamPacketSource):
    """One machine's wire: a controller that lives as long as the connection."""

    def __init__(self, air, name, address):
        super().__init__()
        self.air = air
        self.name = name
        self.address = address
        self.controller = None
        self.wire = None

    def connection_made(self, transport):
        self.wire = transport
        self.controller = BoardController(
            self.name,
            host_source=self,
            host_sink=self,
            link=self.air,
            public_address=self.address,
        )
        self.air.trace.write(event="power_on", at=self.name)

    def on_packet(self, packet):
        self.wire.write(packet)

    def connection_lost(self, exc):
        self.air.trace.write(event="power_off", at=self.name)
        self.controller.fall_silent()
        self.controller.set_packet_sink(None)
        self.air.remove_controller(self.controller)


async def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--trace", required=True, metavar="FILE")
    arguments.add_argument("boards", nargs="+", metavar="NAME=ADDRESS=SOCKET")
    options = arguments.parse_args()

    logging.basicConfig(level=os.environ.get("AIR_LOG", "WARNING"), stream=sys.stderr)
    air = Air(Trace(options.trace))
    loop = asyncio.get_running_loop()
    for board in options.boards:
        name, address, socket = board.split("=", 2)
        await loop.create_unix_server(
            lambda name=name, address=address: Slot(air, name, address), socket
        )
    print("ready", flush=True)

    ended = loop.create_future()

    def listen():
        if not sys.stdin.buffer.read1(1) and not ended.done():
            ended.set_result(None)

    loop.add_reader(sys.stdin, listen)
    await ended


if __name__ == "__main__":
    asyncio.run(main())
