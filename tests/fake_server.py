"""A server of docs/API.md that can be made to fail: what agents do when one is away, slow, cut off,
full of nonsense or lying cannot be asked of a real one."""
import base64, hashlib, json, os, re, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEX = "[0-9a-f]{64}"


def digest(*parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


class Fake:
    def __init__(self, blobs=()):
        self.accounts, self.deposits, self.requests, self.given = {}, [], [], {}
        self.blobs = {d: bytearray() for d in blobs}
        self.sizes, self.whole = dict(blobs), set()
        self.tasks, self.events, self.trouble = {}, [], []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do(self):
                fake.serve(self)

            do_GET = do_POST = do_PUT = do

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a connection that was cut on purpose

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # -- replies
    def reply(self, h, status, body, kind="application/json", **headers):
        data = body if isinstance(body, (bytes, bytearray)) else json.dumps(body).encode()
        h.send_response(status)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(data)))
        for k, v in headers.items():
            h.send_header(k.replace("_", "-"), v)
        h.end_headers()
        h.wfile.write(data)

    def problem(self, h, status, name, detail, **headers):
        self.reply(h, status, {"type": "/problems/" + name, "title": name, "status": status,
                               "detail": detail}, "application/problem+json", **headers)

    def task(self, id, **changes):
        t = {"id": id, "client": digest("client"), "state": "open", "end": None,
             "created_ms": "1", "changed_ms": "1", "deadline_ms": None, "position": "1",
             "job": {"digest": digest("job"), "bytes": "100", "record": "full", "steps": "3",
                     "nodes": 9, "flops": "12345678", "state_bytes": "10", "output_bytes": "20"},
             "params": {"slots": 3, "reward": "12", "premium": "3", "delivery": "1",
                        "stake": "99", "commit_ms": "60000"},
             "terms": digest("terms"), "escrow": "40", "sealed_secret": digest("s"), "secret": None,
             "data_ready": False, "members": [], "root": None, "counts": {}, "disputes": 0}
        t.update(changes)
        self.tasks[id] = t
        return t

    # -- requests
    def serve(self, h):
        path, _, query = h.path.partition("?")
        size = int(h.headers.get("Content-Length") or 0)
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble and trouble[0] == "cut":  # after some bytes of the request
            h.rfile.read(min(size, trouble[1]))
            self.requests.append((h.command, h.path, "cut"))
            h.close_connection = True
            h.connection.close()
            return
        body = h.rfile.read(size)
        self.requests.append((h.command, h.path, dict(h.headers)))
        if trouble and trouble[0] == "busy":
            return self.problem(h, 503, "busy", "too much to do", Retry_After="1")
        if trouble and trouble[0] == "raw":
            return self.reply(h, 200, trouble[1])
        for command, pattern, handle in self.routes:
            m = re.fullmatch(pattern, path)
            if m and command == h.command:
                return handle(self, h, query, body, *m.groups())
        self.problem(h, 404, "not-found", "there is no %s" % path)

    def once(self, h, make):
        key = h.headers.get("Idempotency-Key")
        if not key:
            return self.problem(h, 400, "parameter", "a POST takes an Idempotency-Key")
        if key not in self.given:
            self.given[key] = make()
        return self.given[key]

    def post_account(self, h, query, body):
        if h.headers.get("Authorization") != "Bearer op-token":
            return self.problem(h, 401, "unauthorized", "no such token")
        name = json.loads(body)["name"]
        if name in self.accounts:
            return self.problem(h, 409, "conflict", "the name %s is taken" % name)
        made = self.once(h, lambda: {"id": digest(name), "name": name, "token": "vt_" + name})
        if made:
            self.accounts[name] = made
            self.reply(h, 201, made)

    def post_deposit(self, h, query, body):
        o = json.loads(body)
        made = self.once(h, lambda: self.deposits.append(o) or
                         {"id": digest("deposit"), "to": o["to"], "amount": o["amount"],
                          "position": "7"})
        if made:
            self.reply(h, 201, made)

    def get_named(self, h, query, body):
        self.reply(h, 200, self.accounts[query.partition("=")[2]])

    def get_account(self, h, query, body, id):
        self.reply(h, 200, {"id": id, "name": None, "free": "9007199254740993", "held": "0",
                            "escrow": "1234", "keys": [id]})

    def get_transfers(self, h, query, body, id):
        at = int((re.search(r"cursor=(\d+)", query) or [0, "0"])[1])
        n = min(int(re.search(r"limit=(\d+)", query)[1]), 40)
        row = [{"id": str(k), "at_ms": "1700000000000", "purpose": "deposit", "amount": str(k + 1),
                "from": {"kind": "mint"}, "to": {"kind": "free", "owner": id}, "task": None}
               for k in range(at, min(at + n, 100))]
        self.reply(h, 200, {"transfers": row, "next": str(at + n) if at + n < 100 else None})

    def post_key(self, h, query, body, id):
        o = json.loads(body)
        self.bound = (id, o["key"], o["proof"])
        self.reply(h, 201, {"key": o["key"], "account": id})

    def get_server(self, h, query, body):
        self.reply(h, 200, {"referee": digest("referee"), "version": "0.1.0", "now_ms": "1",
                            "limits": {}})

    def post_quote(self, h, query, body):
        self.query, self.job = query, body
        t = self.task(digest("quote"))
        self.reply(h, 200, {"job": t["job"], "params": t["params"], "escrow": t["escrow"],
                            "blobs": []})

    def post_task(self, h, query, body):
        if h.headers.get("Authorization") != "Bearer vt_alice":
            return self.problem(h, 401, "unauthorized", "no such token")
        if "reward=0" in query:
            return self.problem(h, 422, "terms", "the reward is 0; the server asks 12 or more")
        made = self.once(h, lambda: self.task(digest("task", len(self.tasks))))
        if made:
            self.reply(h, 201, made, Location="/v1/tasks/" + made["id"])

    def get_tasks(self, h, query, body):
        self.reply(h, 200, {"tasks": [{k: v for k, v in t.items() if k not in ("members", "params")}
                                      for t in self.tasks.values()], "next": None})

    def get_task(self, h, query, body, id):
        if id not in self.tasks:
            return self.problem(h, 404, "not-found", "there is no task %.8s" % id)
        self.reply(h, 200, self.tasks[id], ETag='"1"')

    def get_blobs(self, h, query, body, id):
        self.reply(h, 200, {"blobs": [{"digest": d, "bytes": str(self.sizes[d]),
                                       "have": d in self.whole, "received": str(len(b))}
                                      for d, b in self.blobs.items()]})

    def put_blob(self, h, query, body, id, name):
        m = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", h.headers.get("Content-Range", ""))
        at, end, size = map(int, m.groups())
        have = self.blobs[name]
        if at == 0:
            del have[:]
        if at != len(have) or size != self.sizes[name] or len(body) != end + 1 - at:
            return self.problem(h, 409, "conflict", "%d bytes are here" % len(have))
        have += body
        if len(have) < size:
            return self.reply(h, 202, {"received": str(len(have))})
        self.whole.add(name)
        self.reply(h, 201, {"received": str(len(have))})

    def get_events(self, h, query, body, id):
        after = int(h.headers.get("Last-Event-ID") or 0)
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.send_header("Connection", "close")
        h.end_headers()
        for k, (what, change) in enumerate(self.events, 1):
            if k <= after:
                continue
            self.tasks[id].update(change)
            h.wfile.write(("event: change\nid: %d\ndata: %s\n\n" %
                           (k, json.dumps({"what": what, "task": id}))).encode())
            h.wfile.flush()
        h.close_connection = True

    def get_disputes(self, h, query, body, id):
        self.reply(h, 200, {"disputes": [
            {"number": 1, "level": 0, "pair": 0, "roots": [digest("a"), digest("b")],
             "verdict": {"kind": "output", "method": "element"}, "evidence": 4000}]})

    routes = [("GET", "/v1/accounts", get_named), ("POST", "/v1/accounts", post_account),
              ("POST", "/v1/deposits", post_deposit),
              ("GET", "/v1/accounts/(%s)" % HEX, get_account),
              ("GET", "/v1/accounts/(%s)/transfers" % HEX, get_transfers),
              ("POST", "/v1/accounts/(%s)/keys" % HEX, post_key),
              ("GET", "/v1/server", get_server), ("POST", "/v1/quotes", post_quote),
              ("POST", "/v1/tasks", post_task), ("GET", "/v1/tasks", get_tasks),
              ("GET", "/v1/tasks/(%s)" % HEX, get_task),
              ("GET", "/v1/tasks/(%s)/blobs" % HEX, get_blobs),
              ("PUT", "/v1/tasks/(%s)/blobs/(%s)" % (HEX, HEX), put_blob),
              ("GET", "/v1/tasks/(%s)/events" % HEX, get_events),
              ("GET", "/v1/tasks/(%s)/disputes" % HEX, get_disputes)]
