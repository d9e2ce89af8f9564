"""The exported folder, read by a plain forward that shares no code with training, against the trained model.

The forward is numpy in double precision, straight from the tensors' names (transformers modeling_clip.py). Two
comparisons: with the same weights rounded to F16 the embeddings must agree to 1e-5 (both are the same function),
and with the unrounded weights the cosine must be above 0.9999 (F16 loses nothing that matters).
"""
import json
import struct

import numpy as np
import torch

import bpe
import evaluate
import model
import pictures

TEXTS = ["red apple", "something to eat", "a sad face", "红苹果", "交通工具", "FLAG: Norway!  it's 10 o'clock"]


def read(path):
    """model.safetensors -> {name: float64 array}"""
    raw = path.read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    return {name: np.frombuffer(raw, np.float16, offset=8 + n + t["data_offsets"][0], count=int(np.prod(t["shape"])))
            .reshape(t["shape"]).astype(np.float64) for name, t in header.items() if name != "__metadata__"}


def norm(w, name, x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]


def dense(w, name, x):
    return x @ w[name + ".weight"].T + w.get(name + ".bias", 0.0)


def encoder(w, tower, config, x, mask):
    """x [t, width] of one text or picture."""
    heads, width = config["num_attention_heads"], config["hidden_size"]
    for i in range(config["num_hidden_layers"]):
        at = f"{tower}.encoder.layers.{i}."
        y = norm(w, at + "layer_norm1", x)
        q, k, v = (dense(w, f"{at}self_attn.{p}_proj", y).reshape(len(x), heads, -1).transpose(1, 0, 2) for p in "qkv")
        s = q @ k.transpose(0, 2, 1) / np.sqrt(width / heads) + mask
        s = np.exp(s - s.max(-1, keepdims=True))
        y = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), width)
        x = x + dense(w, at + "self_attn.out_proj", y)
        y = dense(w, at + "mlp.fc1", norm(w, at + "layer_norm2", x))
        x = x + dense(w, at + "mlp.fc2", y / (1 + np.exp(-1.702 * y)))
    return x


def picture(w, config, pixels):
    """float [3, S, S], normalised -> [dim], unit length"""
    c, e = config["vision_config"], "vision_model.embeddings."
    p, g = c["patch_size"], c["image_size"] // c["patch_size"]
    kernel = w[e + "patch_embedding.weight"].reshape(c["hidden_size"], -1)
    patches = [kernel @ pixels[:, y * p:(y + 1) * p, x * p:(x + 1) * p].ravel() for y in range(g) for x in range(g)]
    x = np.stack([w[e + "class_embedding"], *patches]) + w[e + "position_embedding.weight"]
    x = encoder(w, "vision_model", c, norm(w, "vision_model.pre_layrnorm", x), 0.0)
    v = dense(w, "visual_projection", norm(w, "vision_model.post_layernorm", x[0]))
    return v / np.linalg.norm(v)


def text(w, config, ids):
    c, e = config["text_config"], "text_model.embeddings."
    x = w[e + "token_embedding.weight"][ids] + w[e + "position_embedding.weight"][: len(ids)]
    x = encoder(w, "text_model", c, x, np.triu(np.full((len(ids), len(ids)), -np.inf), 1))
    v = dense(w, "text_projection", norm(w, "text_model.final_layer_norm", x)[ids.index(c["eos_token_id"])])
    return v / np.linalg.norm(v)


def against(saved, folder, work):
    config, w = json.loads((folder / "config.json").read_text()), read(folder / "model.safetensors")
    merges = [tuple(line.split(" ")) for line in (folder / "merges.txt").read_text().splitlines()[1:]]
    tokenizer = bpe.Tokenizer(merges)
    assert tokenizer.vocabulary == json.loads((folder / "vocab.json").read_text()), "vocab.json and merges.txt disagree"
    _, pixels = pictures.collection(work)
    pixels = pixels[:: len(pixels) // 24]
    limit = config["text_config"]["max_position_embeddings"]
    plain = np.stack([*(picture(w, config, p) for p in pictures.normalise(pixels.double() / 255).numpy()),
                      *(text(w, config, tokenizer.encode(t, limit)) for t in TEXTS)])
    for rounded in (True, False):
        clip = model.Clip(config)
        clip.load_state_dict({k: v.half().float() if rounded else v for k, v in saved["model"].items()})
        trained = torch.cat([evaluate.embed_collection(clip.embed_pictures, pixels), evaluate.embed_words(clip, tokenizer, TEXTS)]).numpy()
        cosine = (plain * trained).sum(1).min()
        worst = abs(plain - trained).max()
        print(f"{'F16' if rounded else 'F32'} weights: largest difference {worst:.1e}, smallest cosine {cosine:.7f}")
        assert cosine > 0.9999 and (not rounded or worst < 1e-5), "the exported model is not the trained one"
