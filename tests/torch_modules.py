"""The modules of torch.nn: what each is exported to, whether it trains here, and whether its
gradients are near torch's. docs/ONNX.md has the table, which `tests/torch_modules.py write` makes again."""
import io, json, math, os, re, struct, sys, tempfile, warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import onnx_read
from verde_cli import *

PAGE = os.path.join(ROOT, "docs", "ONNX.md")
BEGIN, END = "<!-- modules of torch.nn: begin -->\n", "<!-- modules of torch.nn: end -->\n"
OPSET = 16
NEAR = 2e-4  # of the largest gradient: closeness, not bits


def find_torch():
    """torch, in this Python or in Debian's own, which is then run in this one's place; else None."""
    try:
        import torch
    except ImportError:
        debian = "/usr/bin/python3"
        if os.path.exists(debian) and not os.environ.get("VERDE_NO_REEXEC"):
            os.environ["VERDE_NO_REEXEC"] = "1"
            sys.stdout.flush()
            os.execv(debian, [debian] + sys.argv)
        return None
    warnings.filterwarnings("ignore")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    return torch


def cases(torch):
    """name: (module, shape of its input with the batch[, how it is called])."""
    nn = torch.nn
    line, image, volume = (3, 4, 8), (2, 4, 6, 6), (2, 2, 4, 4, 4)
    rows = (4, 6)
    out = {}

    def add(name, *args, shape=rows, call=None, ints=None, **kw):
        out[name] = (lambda: getattr(nn, name)(*args, **kw), shape, call, ints)

    for n in ("CELU ELU GELU Hardsigmoid Hardswish Hardtanh Hardshrink LeakyReLU LogSigmoid Mish "
              "PReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink Identity "
              "RReLU AlphaDropout FeatureAlphaDropout").split():
        add(n)
    add("Threshold", 0.0, 0.0)
    add("GLU")
    for n in "Softmax LogSoftmax Softmin".split():
        add(n, 1)
    add("Softmax2d", shape=image)
    add("Linear", 6, 5)
    add("Bilinear", 6, 6, 3, call=lambda m, x: m(x, x * 0.5))
    add("Flatten", shape=image)
    add("Unflatten", 1, (2, 3))
    add("Embedding", 7, 4, ints=7)
    add("EmbeddingBag", 7, 4, ints=7)
    add("Dropout", 0.5)
    add("Dropout1d", 0.5, shape=line)
    add("Dropout2d", 0.5, shape=image)
    add("Dropout3d", 0.5, shape=volume)
    for d, shape in (1, line), (2, image), (3, volume):
        c = shape[1]
        add("Conv%dd" % d, c, 4, 3, padding=1, stride=2, dilation=1, groups=2, shape=shape)
        add("ConvTranspose%dd" % d, c, 4, 3, padding=1, stride=2, groups=2, shape=shape)
        add("BatchNorm%dd" % d, c, shape=shape)
        add("InstanceNorm%dd" % d, c, affine=True, shape=shape)
        add("MaxPool%dd" % d, 2, shape=shape)
        add("AvgPool%dd" % d, 2, padding=1, shape=shape)
        add("AdaptiveAvgPool%dd" % d, 2, shape=shape)
        add("AdaptiveMaxPool%dd" % d, 2, shape=shape)
        add("ConstantPad%dd" % d, 1, 0.5, shape=shape)
        add("ReflectionPad%dd" % d, 1, shape=shape)
        add("ReplicationPad%dd" % d, 1, shape=shape)
        if d < 3:
            add("LPPool%dd" % d, 2, 2, shape=shape)
        if d > 1:
            add("FractionalMaxPool%dd" % d, 2, output_size=2, shape=shape)
        out["MaxUnpool%dd" % d] = (lambda d=d: unpool(nn, d), shape, None, None)
    add("ZeroPad2d", 1, shape=image)
    add("GroupNorm", 2, 4, shape=image)
    add("LayerNorm", 6)
    add("LocalResponseNorm", 3, shape=image)
    add("CrossMapLRN2d", 3, shape=image)
    add("SyncBatchNorm", 4, shape=image)
    add("PixelShuffle", 2, shape=image)
    add("PixelUnshuffle", 2, shape=image)
    add("ChannelShuffle", 2, shape=image)
    add("Fold", (4, 4), 2, stride=2, shape=(2, 8, 4))
    add("Unfold", 2, shape=image)
    add("Upsample", scale_factor=2, shape=image)
    add("UpsamplingNearest2d", scale_factor=2, shape=image)
    add("UpsamplingBilinear2d", scale_factor=2, shape=image)
    for n in "RNN LSTM GRU".split():
        add(n, 4, 5, 1, batch_first=True, shape=(2, 3, 4), call=lambda m, x: m(x)[0])
        add(n + "Cell", 4, 5, shape=(2, 4),
            call=lambda m, x, n=n: m(x)[0] if n == "LSTM" else m(x))
    add("MultiheadAttention", 8, 2, batch_first=True, shape=(2, 3, 8),
        call=lambda m, x: m(x, x * 0.5, x, need_weights=False)[0])
    add("TransformerEncoderLayer", 8, 2, 12, 0.0, batch_first=True, shape=(2, 3, 8))
    add("TransformerDecoderLayer", 8, 2, 12, 0.0, batch_first=True, shape=(2, 3, 8),
        call=lambda m, x: m(x, x * 0.5))
    out["TransformerEncoder"] = (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(
        8, 2, 12, 0.0, batch_first=True), 2, enable_nested_tensor=False), (2, 3, 8), None, None)
    out["TransformerDecoder"] = (lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(
        8, 2, 12, 0.0, batch_first=True), 2), (2, 3, 8), lambda m, x: m(x, x * 0.5), None)
    add("Transformer", 8, 2, 1, 1, 12, 0.0, batch_first=True, shape=(2, 3, 8),
        call=lambda m, x: m(x, x * 0.5))
    add("CosineSimilarity", call=lambda m, x: m(x, x * x))
    add("PairwiseDistance", call=lambda m, x: m(x, x * x))
    losses(torch, add)
    return out


def losses(torch, add):
    """Losses, on targets made of the input itself or of constants."""
    nn = torch.nn
    label = torch.tensor([1, 0, 3, 5])
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])
    for n in "L1Loss MSELoss SmoothL1Loss HuberLoss".split():
        add(n, call=lambda m, x: m(x, x * x * 0.5))
    for n in "CrossEntropyLoss NLLLoss MultiMarginLoss".split():
        add(n, call=lambda m, x, n=n: m(torch.log_softmax(x, 1) if n == "NLLLoss" else x, label))
    add("AdaptiveLogSoftmaxWithLoss", 6, 6, [2, 4], call=lambda m, x: m(x, label).loss)
    unit = torch.tensor([[0.0, 1, 0, 1, 1, 0]] * 4)
    add("BCELoss", call=lambda m, x: m(torch.sigmoid(x), unit))
    add("BCEWithLogitsLoss", call=lambda m, x: m(x, unit))
    add("MultiLabelSoftMarginLoss", call=lambda m, x: m(x, unit))
    add("SoftMarginLoss", call=lambda m, x: m(x, unit * 2 - 1))
    add("HingeEmbeddingLoss", call=lambda m, x: m(x, unit * 2 - 1))
    add("KLDivLoss", call=lambda m, x: m(torch.log_softmax(x, 1), torch.softmax(x * 0.5, 1)))
    add("PoissonNLLLoss", call=lambda m, x: m(x, unit))
    add("GaussianNLLLoss", call=lambda m, x: m(x, unit, x * x + 0.5))
    add("CosineEmbeddingLoss", call=lambda m, x: m(x, x * x, signs))
    add("MarginRankingLoss", call=lambda m, x: m(x[:, 0], x[:, 1], signs))
    add("TripletMarginLoss", call=lambda m, x: m(x, x * x, x * 0.5 + 0.2))
    add("TripletMarginWithDistanceLoss", call=lambda m, x: m(x, x * x, x * 0.5 + 0.2))
    add("MultiLabelMarginLoss", call=lambda m, x: m(x, torch.tensor([[1, 3, -1, 0, 0, 0]] * 4)))
    add("CTCLoss", shape=(6, 2, 5), call=lambda m, x: m(
        torch.log_softmax(x, 2), torch.tensor([[1, 2], [2, 3]]), torch.tensor([6, 6]),
        torch.tensor([2, 2])))


def unpool(nn, d):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = getattr(nn, "MaxPool%dd" % d)(2, return_indices=True)
            self.un = getattr(nn, "MaxUnpool%dd" % d)(2)

        def forward(self, x):
            return self.un(*self.pool(x))
    return Both()


def net_of(torch, module, shape, call, ints):
    """loss = mean(y^3) + mean(y^2) of the module on x scaled and shifted by parameters, whose
    gradients are then the module's own; x has one axis more: it is the one image of a batch."""
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module
            if ints is None:
                self.scale = torch.nn.Parameter(torch.rand(shape) + 0.5)
                self.shift = torch.nn.Parameter(torch.rand(shape) - 0.5)

        def forward(self, x):
            x = x[0]
            if ints is None:
                x = x * self.scale + self.shift
            y = call(self.module, x) if call else self.module(x)
            return (y * y * y).mean() + (y * y).mean()
    return Net()


def sentence(e):
    """What torch says of a module that it does not export, in short."""
    s = str(e).strip().split("\n")[0]
    m = re.search(r"the operator '?(aten::)?([a-z0-9_]+)'?", s, re.I)
    return "torch does not export it" + (": " + m.group(2) if m else "")


def operators(path):
    """{operator} of what a model's `module` is, inner graphs included: its nodes' names say so."""
    found = set()

    def graph(b):
        for n in onnx_read.fields(b)[1]:
            f = onnx_read.fields(n)
            if onnx_read.text(f, 3).startswith("/module/"):
                found.add(onnx_read.text(f, 4))
            for attribute in f[5]:
                for inner in onnx_read.fields(attribute)[6]:
                    graph(inner)

    with open(path, "rb") as f:
        for g in onnx_read.fields(f.read())[7]:
            graph(g)
    return found - {"Constant", "Identity"}


def state_of(path):
    with open(path, "rb") as f:
        b = f.read()
    n = struct.unpack("<Q", b[:8])[0]
    head, out = json.loads(b[8:8 + n]), {}
    for name, t in head.items():
        if name != "__metadata__" and t["dtype"] == "F32":
            a, e = t["data_offsets"]
            out[name] = struct.unpack("<%df" % ((e - a) // 4), b[8 + n + a:8 + n + e])
    return out


def save(path, t):
    """A tensor of torch's as .npy."""
    t = t.detach().contiguous()
    whole = not t.dtype.is_floating_point
    values = t.reshape(-1).tolist()
    npy(path, "<i8" if whole else "<f4", tuple(t.shape),
        struct.pack("<%d%s" % (len(values), "q" if whole else "f"), *values))


def export(torch, net, x, path, training=True, **more):
    mode = torch.onnx.TrainingMode
    torch.onnx.export(net, x, path, opset_version=OPSET, input_names=["x"],
                      training=mode.TRAINING if training else mode.EVAL,
                      do_constant_folding=not training, **more)


def why_not(err):
    """Our refusal, without the node's name."""
    s = err.strip().split("\n")[-1].replace("verde: ", "")
    s = re.sub(r'node \d+ ("[^"]*" )?\((\w+)\)', r"\2", s)
    return s[:120].replace("|", "\\|")


def judge(torch, name, case, folder):
    """(operators, "yes" or why not, how far the gradients are off, or None)."""
    make, shape, use, ints = case
    at = os.path.join(folder, name)
    torch.manual_seed(3)
    try:
        net = net_of(torch, make(), shape, use, ints)
        net.train()
        x = torch.randint(0, ints, (1,) + shape) if ints else torch.randn((1,) + shape)
        export(torch, net, x, at + ".onnx")
    except Exception as e:
        return set(), sentence(e), None
    ops = operators(at + ".onnx")
    save(at + ".npy", x)
    write_job(at + ".json", {"schema": "verde-job/1", "model": at + ".onnx", "loss": "output",
                             "data": {"images": at + ".npy"}, "batch": 1, "steps": 1,
                             "optimizer": {"kind": "sgd", "rate": 1}})
    code, _, err = call("verde", "run", at + ".json", "--trace", at + ".trace", "--out",
                              at + ".safetensors", "--threads", "1", "--json")
    if code:
        return ops, why_not(err), None
    if name == "Dropout":
        return ops, "yes", None  # torch draws other numbers
    torch.manual_seed(3)
    loss = net(x)
    loss.backward()
    state, most, off = state_of(at + ".safetensors"), 1e-3, 0
    for key, p in net.named_parameters():
        if p.grad is None:
            continue
        want = p.grad.reshape(-1).tolist()
        if key not in state:
            return ops, "yes, but %s is no slot" % key, math.inf
        got = [a - b for a, b in zip(p.detach().reshape(-1).tolist(), state[key])]
        most = max([most] + [abs(v) for v in want])
        off = max([off] + [abs(a - b) if a == a else math.inf for a, b in zip(got, want)])
    return ops, "yes", off / most


def judge_all(torch, only=()):
    out = {}
    with tempfile.TemporaryDirectory(prefix="verde-torch-") as folder:
        for name, case in cases(torch).items():
            if not only or name in only:
                out[name] = judge(torch, name, case, folder)
    return out


def table(results):
    text = "| module | exported to | trains |\n|---|---|---|\n"
    for name in sorted(results, key=str.lower):
        ops, says, _ = results[name]
        text += "| %s | %s | %s |\n" % (name, ", ".join(sorted(ops)), says)
    return text


def page_with(text, results):
    a, e = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:a] + table(results) + text[e:]


if __name__ == "__main__":
    torch = find_torch()
    if not torch:
        sys.exit("there is no torch")
    results = judge_all(torch, [w for w in sys.argv[1:] if w != "write"])
    for name, (ops, says, off) in results.items():
        print("%-30s %-10s %s" % (name, "" if off is None else "%.1e" % off, says))
    if "write" in sys.argv:
        page = page_with(open(PAGE, encoding="utf-8").read(), results)
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(page)
