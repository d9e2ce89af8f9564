"""A trained checkpoint -> the files a Hugging Face CLIP consists of, weights in F16.

Also writes what PyTorch makes of a few texts and pictures with these weights, for the program's tests.

Writes config.json, model.safetensors, vocab.json, merges.txt, tokenizer.json, tokenizer_config.json and
preprocessor_config.json, each as transformers lays it out. Then reads them back with a separate plain forward
(check.py) and stops if any embedding differs.

    python3 export.py work/checkpoint.pt ../../models/demo ../../tests/data/models/demo.json
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import bpe
import check
import evaluate
import model
import pictures


def safetensors(tensors):
    """{name: float tensor} -> the file's bytes, F16, names in order, data aligned to 8."""
    header, parts, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        data = tensors[name].detach().half().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def tokenizer_json(tokenizer):
    """The pipeline of CLIPTokenizerFast as tokenizers serialises it."""
    start, end = tokenizer.vocabulary[bpe.START], tokenizer.vocabulary[bpe.END]
    added = lambda i, content, normalized: {"id": i, "content": content, "single_word": False, "lstrip": False,
                                            "rstrip": False, "normalized": normalized, "special": True}
    split = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(start, bpe.START, True), added(end, bpe.END, False)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}]},
        "post_processor": {"type": "RobertaProcessing", "sep": [bpe.END, end], "cls": [bpe.START, start],
                           "trim_offsets": False, "add_prefix_space": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": bpe.END, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "vocab": tokenizer.vocabulary,
                  "merges": [" ".join(m) for m in tokenizer.merges]},
    }


def write(saved, out):
    config, tokenizer = saved["config"], bpe.Tokenizer(saved["merges"])
    size = config["vision_config"]["image_size"]
    dump = lambda value, **how: json.dumps(value, ensure_ascii=False, **how) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(dump(config, indent=2))
    (out / "model.safetensors").write_bytes(safetensors(saved["model"]))
    (out / "vocab.json").write_text(dump(tokenizer.vocabulary, separators=(",", ":")))
    (out / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in tokenizer.merges))
    (out / "tokenizer.json").write_text(dump(tokenizer_json(tokenizer), separators=(",", ":")))
    (out / "tokenizer_config.json").write_text(dump({
        "tokenizer_class": "CLIPTokenizer", "bos_token": bpe.START, "eos_token": bpe.END, "unk_token": bpe.END,
        "pad_token": bpe.END, "add_prefix_space": False, "errors": "replace", "do_lower_case": True,
        "model_max_length": config["text_config"]["max_position_embeddings"]}, indent=2))
    (out / "preprocessor_config.json").write_text(dump({
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": size}, "resample": 3,
        "do_center_crop": True, "crop_size": {"height": size, "width": size}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "do_convert_rgb": True,
        "image_mean": pictures.MEAN.flatten().tolist(), "image_std": pictures.STD.flatten().tolist()}, indent=2))


PICTURES = ["demo/query.png", *(f"tests/data/images/{name}" for name in (
    "rgb.png", "lossless.webp", "palette.gif", "gray8.bmp", "rgb.tif", "rgba.png"))]


def golden(saved):
    """-> {texts, text_embeddings, pictures, image_embeddings}, unit length; pictures by their path in the repository."""
    clip, tokenizer = model.Clip(saved["config"]), bpe.Tokenizer(saved["merges"])
    clip.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    root = Path(__file__).parents[2]
    pixels = [pictures.fit(Image.open(root / p).convert("RGB")) for p in PICTURES]
    pixels = torch.stack([torch.from_numpy(np.asarray(p).transpose(2, 0, 1).copy()) for p in pixels])
    rows = lambda embeddings: [[round(x, 6) for x in row] for row in embeddings.tolist()]
    return {"texts": check.TEXTS, "text_embeddings": rows(evaluate.embed_words(clip, tokenizer, check.TEXTS)),
            "pictures": PICTURES, "image_embeddings": rows(evaluate.embed_collection(clip.embed_pictures, pixels))}


if __name__ == "__main__":
    checkpoint, folder = torch.load(sys.argv[1]), Path(sys.argv[2])
    write(checkpoint, folder)
    Path(sys.argv[3]).write_text(json.dumps(golden(checkpoint), ensure_ascii=False) + "\n")
    check.against(checkpoint, folder, Path(sys.argv[1]).parent)
    print(f"{folder}: {sum(f.stat().st_size for f in folder.iterdir()):,} bytes")
