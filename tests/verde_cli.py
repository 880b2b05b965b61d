"""What the black-box tests share: a small job on made-up images, and calls of the programs.

Every part prints one line a check, "ok NAME" or "not ok NAME: why", and exits 1 if any failed."""
import json, os, struct, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.environ.get("VERDE_BIN", os.path.join(ROOT, "build", "bin"))
failed = 0


def check(name, good, why=""):
    global failed
    if good:
        print("ok", name)
    else:
        failed = 1
        print("not ok %s: %s" % (name, str(why).strip().replace("\n", " | ")[:600]))
    sys.stdout.flush()
    return good


def call(*args, **kw):
    """Run a program of ours: (exit code, stdout, stderr)."""
    args = [os.path.join(BIN, args[0])] + [str(a) for a in args[1:]]
    r = subprocess.run(args, capture_output=True, text=True, timeout=kw.pop("timeout", 300), **kw)
    return r.returncode, r.stdout, r.stderr


def must(*args, **kw):
    code, out, err = call(*args, **kw)
    if code:
        raise RuntimeError("%s: exit %d: %s" % (" ".join(map(str, args[:3])), code, err))
    return out


def npy(path, descr, shape, data):
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (
        descr, "".join("%d, " % d for d in shape))
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


def make_data(folder, images=64, side=12):
    """Images that carry their label as a bright row, so that a few steps learn something."""
    x, pixels, labels = 88172645463325252, bytearray(), bytearray()
    for i in range(images):
        labels.append(i % 10)
        for p in range(side * side):
            x ^= (x << 13) & (2**64 - 1)
            x ^= x >> 7
            x ^= (x << 17) & (2**64 - 1)
            pixels.append((x >> 20) % 100 + (100 if p // side == i % 10 else 0))
    npy(os.path.join(folder, "images.npy"), "|u1", (images, side, side), bytes(pixels))
    npy(os.path.join(folder, "labels.npy"), "|u1", (images,), bytes(labels))


def small_job(**changes):
    job = {
        "schema": "verde-job/1",
        "model": {"layers": [
            {"conv": {"channels": 4, "kernel": 3, "pad": 1}}, "relu", {"max_pool": {"kernel": 2}},
            {"conv": {"channels": 8, "kernel": 3, "pad": 1}}, "relu", {"max_pool": {"kernel": 2}},
            {"gemm": {"outputs": 10}}]},
        "data": {"images": "images.npy", "labels": "labels.npy", "scale": 0.00392156862745098},
        "loss": "softmax_cross_entropy",
        "optimizer": {"kind": "adamw", "rate": 0.003, "schedule": {"kind": "linear"}},
        "batch": 8, "steps": 2, "seed": 7, "record": "full"}
    job.update(changes)
    return job


def write_job(path, job):
    with open(path, "w") as f:
        json.dump(job, f, indent=1)


class Folder:
    """A temporary folder with the data in it, and the current one while in use."""

    def __enter__(self):
        self.t = tempfile.TemporaryDirectory(prefix="verde-test-")
        self.old = os.getcwd()
        os.chdir(self.t.name)
        make_data(".")
        return self.t.name

    def __exit__(self, *_):
        os.chdir(self.old)
        self.t.cleanup()


def run(name, job, *more):
    return must("verde", "run", job, "--trace", name + ".trace", "--threads", "1", *more)


def dispute(*args):
    code, out, err = call("verde-dispute", *args, "--json")
    try:
        return code, json.loads(out), err
    except ValueError:
        return code, {}, out + err


def guilty(v):
    """Names of the traces that a verdict condemns, without .trace."""
    return sorted(os.path.basename(g["trace"]).replace(".trace", "") for g in v.get("guilty", []))


def finish():
    sys.exit(failed)
