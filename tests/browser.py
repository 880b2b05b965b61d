"""A headless Chromium, driven through chromedriver's HTTP alone (W3C WebDriver and its way to the
DevTools protocol), for tests that look at pages as people do. Needs Debian's chromium and
chromium-driver and nothing else."""
import base64, http.client, json, os, shutil, socket, subprocess, tempfile, time

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb"]


def missing():
    """What cannot be found here; empty: all is there."""
    return ", ".join(p for p in ("chromium", "chromedriver") if not shutil.which(p))


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % self.port],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env=dict(os.environ, TMPDIR=self.folder))
        for _ in range(100):
            try:
                if self.ask("GET", "/status")["ready"]:
                    break
            except OSError:
                time.sleep(0.1)
        options = {"binary": shutil.which("chromium"),
                   "args": FLAGS + ["--user-data-dir=" + self.folder]}
        self.session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, None if body is None else json.dumps(body),
                  {"Content-Type": "application/json"})
        reply = json.loads(c.getresponse().read())["value"]
        c.close()
        if isinstance(reply, dict) and "error" in reply and "stacktrace" in reply:
            raise RuntimeError("%s: %s" % (reply["error"], reply["message"][:2000]))
        return reply

    def do(self, what, body):
        return self.ask("POST", "/session/%s/%s" % (self.session, what), body)

    def devtools(self, command, **params):
        return self.do("goog/cdp/execute", {"cmd": command, "params": params})

    def go(self, url):
        self.do("url", {"url": url})

    def run(self, script, *args):
        return self.do("execute/sync", {"script": script, "args": list(args)})

    def wait(self, script, *args):
        """A script that calls its last argument with what it has found."""
        return self.do("execute/async", {"script": script, "args": list(args)})

    def console(self):
        """What the page has said since the last time: errors, refusals of its policy."""
        return [entry["message"] for entry in self.do("se/log", {"type": "browser"})]

    def show(self, width, height, scheme, script=True):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1 if width > 500 else 2, mobile=width < 500)
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.devtools("Emulation.setScriptExecutionDisabled", value=not script)

    def picture(self, path, width):
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                             clip={"x": 0, "y": 0, "width": width, "height": size["height"],
                                   "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot["data"]))

    def close(self):
        try:
            self.ask("DELETE", "/session/" + self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
