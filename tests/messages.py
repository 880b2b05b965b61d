"""Messages read and written from docs/FORMATS.md alone: a second implementation that shares no
code. The part "messages" of the tests compares the two."""
import hashlib, hmac, struct

ROLES = {"work": ("provider",), "withdraw": ("provider",), "challenge": ("provider",),
         "commit": ("provider", "auditor"), "reveal": ("provider", "auditor"),
         "segment": ("provider", "auditor"), "explanation": ("provider", "auditor"),
         "opening": ("provider", "auditor"), "receipt": ("referee",), "refusal": ("referee",)}
SLOT = {"work": "work", "commit": "commit", "reveal": "outcome", "withdraw": "outcome",
        "segment": "segment", "explanation": "explanation", "challenge": "challenge",
        "receipt": "log", "opening": "none", "refusal": "none"}
QUESTION = ("segment", "explanation", "challenge", "opening")
# Fields as (name, struct code); "32s" are digests and keys.
SLOT_FIELDS = {"segment": (("root", "32s"), ("segment", "Q")),
               "explanation": (("root", "32s"), ("step", "Q"), ("node", "I"), ("output", "I"),
                               ("element", "Q"), ("level", "I"), ("index", "Q")),
               "challenge": (("number", "I"), ("step", "Q"), ("node", "I"), ("output", "I")),
               "receipt": (("position", "Q"),)}
CLAIM_FIELDS = {"work": (("terms", "32s"),), "commit": (("commitment", "32s"),),
                "reveal": (("root", "32s"), ("salt", "32s"), ("backend", "64s"),
                           ("vouch", "64s"), ("body", "192s")),
                "withdraw": (),
                "segment": (("body", "120s"), ("backend", "64s"), ("vouch", "64s")),
                "explanation": (("count", "Q"), ("digest", "32s")),
                "challenge": (("answer", "32s"),),
                "opening": (("size", "Q"), ("digest", "32s")),
                "receipt": (("of", "32s"), ("message", "32s"), ("head", "32s"), ("time", "Q")),
                "refusal": (("message", "32s"), ("reason", "16s"), ("question", "32s"),
                            ("head", "32s"), ("events", "Q"))}
REASONS = ("malformed signature context unknown early late stale mismatch conflict struck content "
           "limit fault").split()


def block(tag):
    return tag.encode().ljust(64, b"\0")


def H(tag, payload):
    return hashlib.sha256(block(tag) + payload).digest()


def text16(name):
    return name.encode().ljust(16, b"\0")


def fields(spec, values):
    return b"".join(struct.pack("<" + code, values[name]) for name, code in spec)


def slot_bytes(m):
    return text16(SLOT[m["type"]]) + fields(SLOT_FIELDS.get(m["type"], ()), m["slot"])


def claim_bytes(m):
    return fields(CLAIM_FIELDS[m["type"]], m["claim"])


def signed_bytes(m):
    question = m["question"] if m["type"] in QUESTION else bytes(32)
    return (block("verde/1 message") + struct.pack("<I", 1) + m["referee"] + m["task"] +
            text16(m["role"]) + m["key"] + text16(m["type"]) + slot_bytes(m) + claim_bytes(m) +
            question + struct.pack("<QQ", m["time"], m["request"]))


def vouched(kind, backend, root):
    return block("verde/1 signed " + kind) + backend + root


def place(m):
    return m["referee"] + m["task"] + text16(m["role"]) + m["key"] + slot_bytes(m)


def slot_digest(m):
    return H("verde/1 slot", place(m)) if SLOT[m["type"]] != "none" else None


def claim_digest(m):
    return H("verde/1 claim", text16(m["type"]) + claim_bytes(m))


def message_id(m):
    where = slot_digest(m)
    if where is None:
        question = m["question"] if m["type"] in QUESTION else b""
        where = H("verde/1 no slot", place(m) + question)
    return H("verde/1 message id", where + claim_digest(m))


def salt(seed, referee, task):
    inner = hmac.new(seed, block("verde/1 derived key"), "sha256").digest()
    return hmac.new(inner, block("verde/1 salt") + referee + task, "sha256").digest()


def evidence(a, b):
    """Of two (message, bytes)."""
    first, second = sorted((a, b), key=lambda x: claim_digest(x[0]))
    return b"VERDEEQV" + struct.pack("<I", 1) + b"".join(
        struct.pack("<I", len(x[1])) + x[1] for x in (first, second))


def tree(kind, leaves):
    """Root of the tree over leaf payloads; RFC 6962's shape."""
    if len(leaves) == 1:
        return H("verde/1 %s leaf" % kind, leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return H("verde/1 %s inner" % kind, tree(kind, leaves[:k]) + tree(kind, leaves[k:]))
