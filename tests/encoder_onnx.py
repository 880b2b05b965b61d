"""A sentence encoder (BERT, mean pooling) as an ONNX model, written from its config.json and safetensors
by code that verde's builder does not share; and WordPiece, which makes its input of sentences."""
import json, math, struct, unicodedata

from onnx_write import *


def weights(path):
    """{name: (dims, bytes)} of a safetensors file of float32."""
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    return dict((k, (v["shape"], data[slice(*v["data_offsets"])]))
                for k, v in head.items() if k != "__metadata__" and v["dtype"] == "F32")


class Writer:
    def __init__(self, w):
        self.w, self.nodes, self.tensors, self.made = w, [], {}, 0

    def add(self, op, inputs, *attrs):
        self.made += 1
        out = "v%d" % self.made
        self.nodes.append(node(op, inputs, [out], *attrs))
        return out

    def weight(self, name):
        self.tensors[name] = tensor(name, 1, *self.w[name])
        return name

    def constant(self, dtype, dims, form, *v):
        self.made += 1
        name = "c%d" % self.made
        self.tensors[name] = tensor(name, dtype, dims, struct.pack("<%d%s" % (len(v), form), *v))
        return name

    def float(self, v):
        return self.constant(1, (), "f", v)

    def ints(self, *v):
        return self.constant(7, (len(v),), "q", *v)

    def linear(self, name, x):
        w = self.add("Transpose", [self.weight(name + ".weight")], attr("perm", [1, 0]))
        return self.add("Add", [self.add("MatMul", [x, w]), self.weight(name + ".bias")])

    def norm(self, name, x, epsilon):
        return self.add("LayerNormalization", [x, self.weight(name + ".weight"),
                                               self.weight(name + ".bias")],
                        attr("axis", -1), attr("epsilon", float(epsilon)))


def layer(g, c, name, x, blocked):
    heads, each = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]

    def part(what, perm):
        y = g.add("Reshape", [g.linear(name + "attention.self." + what, x), g.ints(0, 0, heads, each)])
        return g.add("Transpose", [y], attr("perm", perm))

    s = g.add("MatMul", [part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1])])
    s = g.add("Add", [g.add("Div", [s, g.float(math.sqrt(each))]), blocked])
    s = g.add("MatMul", [g.add("Softmax", [s], attr("axis", -1)), part("value", [0, 2, 1, 3])])
    s = g.add("Reshape", [g.add("Transpose", [s], attr("perm", [0, 2, 1, 3])),
                          g.ints(0, 0, c["hidden_size"])])
    x = g.norm(name + "attention.output.LayerNorm",
               g.add("Add", [g.linear(name + "attention.output.dense", s), x]), c["layer_norm_eps"])
    y = g.add("Gelu", [g.linear(name + "intermediate.dense", x)])
    return g.norm(name + "output.LayerNorm", g.add("Add", [g.linear(name + "output.dense", y), x]),
                  c["layer_norm_eps"])


def encoder(config, safetensors):
    """The bytes of the model: input_ids, attention_mask, token_type_ids -> last_hidden_state,
    sentence_embedding."""
    with open(config) as f:
        c = json.load(f)
    g = Writer(weights(safetensors))
    word = g.add("Gather", [g.weight("embeddings.word_embeddings.weight"), "input_ids"])
    kind = g.add("Gather", [g.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"])
    length = g.add("Gather", [g.add("Shape", ["input_ids"]), g.ints(1)])
    place = g.add("Slice", [g.weight("embeddings.position_embeddings.weight"), g.ints(0), length,
                            g.ints(0)])
    x = g.norm("embeddings.LayerNorm", g.add("Add", [g.add("Add", [word, kind]), place]),
               c["layer_norm_eps"])
    attended = g.add("Cast", ["attention_mask"], attr("to", 9))
    blocked = g.add("Unsqueeze", [g.add("Where", [attended, g.float(0.0), g.float(-3.4028234e38)]),
                                  g.ints(1, 2)])
    for k in range(c["num_hidden_layers"]):
        x = layer(g, c, "encoder.layer.%d." % k, x, blocked)
    g.nodes.append(node("Identity", [x], ["last_hidden_state"]))
    mask = g.add("Unsqueeze", [g.add("Cast", [attended], attr("to", 1)), g.ints(2)])
    one = g.ints(1)
    total = g.add("ReduceSum", [g.add("Mul", [x, mask]), one], attr("keepdims", 0))
    count = g.add("ReduceSum", [mask, one], attr("keepdims", 0))
    mean = g.add("Div", [total, g.add("Max", [count, g.float(1e-9)])])
    size = g.add("ReduceL2", [mean, one])
    g.nodes.append(node("Div", [mean, g.add("Max", [size, g.float(1e-12)])], ["sentence_embedding"]))
    names = ("input_ids", "attention_mask", "token_type_ids")
    return model(graph(g.nodes, [value(n, 7, ["batch", "positions"]) for n in names],
                       [value(n, 1, None) for n in ("last_hidden_state", "sentence_embedding")],
                       list(g.tensors.values())), 20)


def word_pieces(sentence, vocabulary):
    """Lower case, no accents, punctuation apart; then the longest piece that there is, again and
    again, with ## before all but a word's first."""
    text = "".join(c for c in unicodedata.normalize("NFD", sentence.lower())
                   if unicodedata.category(c) != "Mn")
    text = "".join(c if c.isalnum() or c.isspace() else " %s " % c for c in text)
    out = [vocabulary["[CLS]"]]
    for word in text.split():
        at, pieces = 0, []
        while at < len(word):
            ends = [e for e in range(len(word), at, -1)
                    if ("##" if at else "") + word[at:e] in vocabulary]
            if not ends:
                pieces = [vocabulary["[UNK]"]]
                break
            pieces.append(vocabulary[("##" if at else "") + word[at:ends[0]]])
            at = ends[0]
        out += pieces
    return out + [vocabulary["[SEP]"]]
