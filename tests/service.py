"""A service in a folder of its own, and who uses it: clients with tokens, providers that sign.

Written from docs/API.md and docs/FORMATS.md; shares no code with the server."""
import base64, hashlib, http.client, json, os, re, signal, socket, struct, subprocess, time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (Encoding, PublicFormat,
                                                          load_pem_private_key)
import messages as M
from verde_cli import *


class Service:
    """verded on a port that it chose. Settings as open_ms=2000."""

    def __init__(self, folder, **settings):
        self.folder, self.settings, self.process = folder, settings, None
        self.count = 0
        self.start()

    def start(self):
        args = [os.path.join(BIN, "verded"), "--data", self.folder, "--listen",
                "127.0.0.1:%d" % self.settings.get("port", 0)]
        for name, value in self.settings.items():
            if name != "port":
                args += ["--" + name.replace("_", "-"), str(value)]
        self.log = open(self.folder + ".log", "ab")
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise RuntimeError("verded said %r" % line)
        self.port = int(found.group(1))
        self.referee = bytes.fromhex(self.process.stdout.readline().split()[1])
        self.operator = open(os.path.join(self.folder, "operator.token")).read().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code

    def ask(self, method, path, body=None, token=None, key=None, **headers):
        """(status, headers, body); JSON bodies are parsed."""
        h = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            h["Authorization"] = "Bearer " + token
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            h.setdefault("Content-Type", "application/json")
        if method == "POST" and key is not False:
            self.count += 1
            h["Idempotency-Key"] = key or "k%d-%d" % (os.getpid(), self.count)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, body, h)
        r = c.getresponse()
        data = r.read()
        c.close()
        kind = r.headers.get("Content-Type", "")
        if "json" in kind and data:
            data = json.loads(data)
        return r.status, dict(r.headers), data

    def get(self, path, **more):
        status, _, data = self.ask("GET", path, **more)
        if status != 200:
            raise RuntimeError("%s: %s %s" % (path, status, data))
        return data

    def account(self, name, money=0):
        status, _, a = self.ask("POST", "/v1/accounts", {"name": name}, self.operator)
        assert status == 201, a
        if money:
            self.pay(a["id"], money)
        return a

    def pay(self, to, amount):
        status, _, d = self.ask("POST", "/v1/deposits", {"to": to, "amount": str(amount)},
                                self.operator)
        assert status == 201, d
        return d

    def submit(self, account, job, **wishes):
        query = "&".join("%s=%s" % w for w in wishes.items())
        return self.ask("POST", "/v1/tasks?" + query, job, account["token"],
                        Content_Type="application/vnd.verde.job")

    def upload(self, account, task, store):
        """The blobs of a task, from a store."""
        for b in self.get("/v1/tasks/%s/blobs" % task)["blobs"]:
            path = os.path.join(store, "tensors", b["digest"][:2], b["digest"])
            status, _, said = self.ask("PUT", "/v1/tasks/%s/blobs/%s" % (task, b["digest"]),
                                       open(path, "rb").read(), account["token"],
                                       Content_Type="application/octet-stream")
            assert status in (200, 201), said

    def task(self, task):
        return self.get("/v1/tasks/" + task)

    def wait_for(self, task, *states, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            t = self.task(task)
            if t["state"] in states:
                return t
            time.sleep(0.05)
        raise RuntimeError("task %s stays in %s" % (task[:8], t["state"]))

    def balanced(self):
        code, out, err = call("verded", "reconcile", "--data", self.folder)
        return code == 0, out + err


class Provider:
    """A key, a trace of the job and its store; `service_files` gives what is not in them."""

    def __init__(self, service, name, job, *more):
        must("verde", "keygen", name + ".pem")
        run(name, job, "--key", name + ".pem", *more)
        self.service, self.name = service, name
        self.private = load_pem_private_key(open(name + ".pem", "rb").read(), None)
        self.key = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        raw = open(name + ".trace", "rb").read()
        trailer = struct.unpack_from("<Q", raw, 72)[0]
        self.body = raw[trailer:trailer + 192]
        self.root = raw[trailer + 192:trailer + 224]
        self.backend = raw[trailer + 256:trailer + 320]
        self.vouch = raw[trailer + 320:trailer + 384]
        self.requests = 0

    def files(self, what, out, *more):
        must("service_files", self.name + ".trace", self.name + ".store", what, out, *more)
        return out

    def message(self, kind, task, claim, slot=None, question=bytes(32), role="provider"):
        """Signed bytes."""
        self.requests += 1
        m = {"referee": self.service.referee, "task": bytes.fromhex(task), "role": role,
             "key": self.key, "type": kind, "slot": slot or {}, "claim": claim,
             "question": question, "time": int(time.time() * 1000), "request": self.requests}
        signed = M.signed_bytes(m)
        return signed + self.private.sign(signed)

    def send(self, message, payload=b""):
        """(status, type of the answer, its bytes)."""
        status, _, data = self.service.ask(
            "POST", "/v1/messages", struct.pack("<I", len(message)) + message + payload, key=False,
            Content_Type="application/octet-stream")
        kind = data[180:196].rstrip(b"\0").decode() if isinstance(data, bytes) else "problem"
        return status, kind, data

    def say(self, *args, payload=b"", **kw):
        return self.send(self.message(*args, **kw), payload)

    def claim(self, task):
        terms = self.service.ask("GET", "/v1/tasks/%s/terms" % task)[2]
        return self.say("work", task, {"terms": M.H("verde/1 terms", terms)})

    def salt(self, task):
        return hashlib.sha256(self.key + bytes.fromhex(task)).digest()

    def commit(self, task):
        said = (self.service.referee + bytes.fromhex(task) + self.key + self.root + self.salt(task))
        return self.say("commit", task, {"commitment": M.H("verde/1 commitment", said)})

    def reveal(self, task, role="provider"):
        claim = {"root": self.root, "salt": self.salt(task), "backend": self.backend,
                 "vouch": self.vouch, "body": self.body}
        return self.say("reveal", task, claim, role=role)

    def questions(self, task):
        asked = self.service.get("/v1/questions?key=" + self.key.hex())["questions"]
        return [q for q in asked if q["task"] == task]

    def answer_challenges(self, task):
        """How many were answered."""
        asked = [q for q in self.questions(task) if q["what"] == "challenge"]
        if not asked:
            return 0
        out = self.files("tensors", self.name + ".tensor",
                         *["%s:%d:%d" % (q["step"], q["node"], q["output"]) for q in asked])
        for k, q in enumerate(asked):
            tensor = open("%s.%d" % (out, k), "rb").read()
            answer = M.H("verde/1 challenge", bytes.fromhex(task) + self.key + tensor)
            slot = {"number": q["number"], "step": int(q["step"]), "node": q["node"],
                    "output": q["output"]}
            status, kind, data = self.say("challenge", task, {"answer": answer}, slot=slot,
                                          question=bytes.fromhex(q["asked"]))
            assert (status, kind) == (200, "receipt"), (status, kind, data)
        return len(asked)

    def deliver(self, task, first=0, last=None):
        """(status, reply) of a part of the result, [first, last)."""
        data = open(self.files("result", self.name + ".result"), "rb").read()
        said = self.service.referee + bytes.fromhex(task) + self.root
        proof = self.private.sign(M.H("verde/1 deliver", said))
        last = len(data) if last is None else last
        status, _, reply = self.service.ask(
            "PUT", "/v1/tasks/%s/result" % task, data[first:last],
            Content_Type="application/octet-stream", Verde_Key=self.key.hex(),
            Verde_Proof=proof.hex(),
            Content_Range="bytes %d-%d/%d" % (first, last - 1, len(data)))
        return status, reply
