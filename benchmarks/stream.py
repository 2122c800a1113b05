"""A stream of AMI events as a busy PBX sends them, the same for every run. Header lists from Asterisk 22's source
(manager_channels.c, app_queue.c, stasis_channels.c, rtp_engine.c), timestampevents=yes.

Of 100 events 45 are VarSet, 25 RTCPSent, 15 Newchannel, 8 QueueCallerJoin and 7 AgentConnect: most is not for us.
With the shipped allow-list Asterisk would not even send it; a site that has another AMI user for it gets it all.
"""

import random

SEED = 20240804
QUEUE = "600"
END_UNIQUEID = "bench-end"

_KINDS = ["VarSet"] * 45 + ["RTCPSent"] * 25 + ["Newchannel"] * 15 + ["QueueCallerJoin"] * 8 + ["AgentConnect"] * 7
_CLASSES = {
    "VarSet": "dialplan",
    "RTCPSent": "reporting",
    "Newchannel": "call",
    "QueueCallerJoin": "agent",
    "AgentConnect": "agent",
}
_NAMES = ["Иванов Пётр", "Aino Mäkinen", 'Oy "Kaisla" Ab', "79161234567", "John Smith", "<unknown>", "<unknown>"]
_ENDPOINTS = ["trunk-elisa", "trunk-telia", "1201", "1202", "1377"]
_CONTEXTS = ["from-trunk", "from-internal", "macro-dial-one", "ext-queues"]
_VARIABLES = [
    ("QUEUENAME", QUEUE),
    ("MIXMONITOR_FILENAME", "/var/spool/asterisk/monitor/2024/08/04/q-600-20240804-120000-1722772800.1.wav"),
    ("RTPAUDIOQOSJITTERBRIDGED", ""),
    ("DIALSTATUS", ""),
    ("__SIPADDHEADER", "X-CallID: 8dd1"),
    ("MACRO_DEPTH", "1"),
    ("QEHOLDTIME", "12"),
]

_Headers = list[tuple[str, object]]


def _channel(chance: random.Random, number: int, prefix: str = "", *, up: bool = True) -> _Headers:
    headers: _Headers = [
        ("Channel", f"PJSIP/{chance.choice(_ENDPOINTS)}-{number:08x}"),
        ("ChannelState", 6 if up else 0),
        ("ChannelStateDesc", "Up" if up else "Down"),
        ("CallerIDNum", f"79{chance.randrange(10**9):09d}"),
        ("CallerIDName", chance.choice(_NAMES)),
        ("ConnectedLineNum", chance.choice(["<unknown>", "1201"])),
        ("ConnectedLineName", chance.choice(["<unknown>", "Neuvonta 12"])),
        ("Language", "fi"),
        ("AccountCode", ""),
        ("Context", chance.choice(_CONTEXTS)),
        ("Exten", chance.choice(["s", "0195202000", QUEUE])),
        ("Priority", chance.randrange(1, 60)),
        ("Uniqueid", f"1722772{chance.randrange(1000):03d}.{number}"),
        ("Linkedid", f"1722772{chance.randrange(1000):03d}.{number - 1}"),
    ]
    return [(prefix + name, value) for name, value in headers]


def _report_block(chance: random.Random) -> _Headers:
    return [
        ("Report0SourceSSRC", f"0x{chance.randrange(2**32):08x}"),
        ("Report0FractionLost", 0),
        ("Report0CumulativeLost", 0),
        ("Report0HighestSequence", chance.randrange(65536)),
        ("Report0SequenceNumberCycles", 0),
        ("Report0IAJitter", 12),
        ("Report0LSR", chance.randrange(2**32)),
        ("Report0DLSR", "4.9000"),
    ]


def _own(chance: random.Random, kind: str, number: int) -> _Headers:
    """What an event says beside its first three headers."""
    match kind:
        case "VarSet":
            name, value = chance.choice(_VARIABLES)
            return [*_channel(chance, number), ("Variable", name), ("Value", value)]
        case "RTCPSent":
            headers = [
                *_channel(chance, number),
                ("To", "10.11.12.13:17345"),
                ("From", "10.11.12.14:12001"),
                ("RTT", "0.0012"),
                ("SSRC", f"0x{chance.randrange(2**32):08x}"),
                ("PT", "200(SR)"),
                ("ReportCount", 1),
                ("SentNTP", "1722772800.123456"),
                ("SentRTP", chance.randrange(2**32)),
                ("SentPackets", chance.randrange(9999)),
                ("SentOctets", chance.randrange(999999)),
            ]
            return headers + (_report_block(chance) if chance.random() < 0.5 else [])
        case "Newchannel":
            variables: _Headers = [
                ("ChanVariable", "CALLUUID=8f14e45f-ceea-467f-a0e6"),
                ("ChanVariable", "RECORD_POLICY=always"),
            ]
            return _channel(chance, number, up=False) + (variables if chance.random() < 0.5 else [])
        case "QueueCallerJoin":
            return [*_channel(chance, number), ("Queue", QUEUE), ("Position", 1), ("Count", chance.randrange(1, 9))]
        case _:
            return [
                *_channel(chance, number),
                *_channel(chance, number + 1, "Dest"),
                ("Queue", QUEUE),
                ("MemberName", "Sanna Sarkkinen"),
                ("Interface", "Local/1201@from-queue/n"),
                ("HoldTime", 12),
                ("RingTime", 3),
            ]


def _wire(headers: _Headers) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n"


def make(count: int) -> bytes:
    """`count` events, and a Hangup of END_UNIQUEID that tells the end."""
    chance = random.Random(SEED)
    wires = []
    for number in range(1, count + 1):
        kind = chance.choice(_KINDS)
        timestamp = f"1722772{chance.randrange(1000):03d}.{chance.randrange(10**6):06d}"
        first: _Headers = [("Event", kind), ("Privilege", f"{_CLASSES[kind]},all"), ("Timestamp", timestamp)]
        wires.append(_wire(first + _own(chance, kind, number)))
    end: _Headers = [
        ("Event", "Hangup"),
        ("Privilege", "call,all"),
        ("Timestamp", "1722773999.000000"),
        ("Channel", "PJSIP/end"),
        ("CallerIDNum", ""),
        ("CallerIDName", ""),
        ("Uniqueid", END_UNIQUEID),
        ("Linkedid", END_UNIQUEID),
        ("Cause", 16),
    ]
    return b"".join(wires) + _wire(end)
