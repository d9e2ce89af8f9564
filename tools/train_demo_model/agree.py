"""The program's embeddings against PyTorch's: every picture of the sample collection, every name in it.

    pgmmr ingest demo/emoji.parquet -c demo --model models/demo && pgmmr export -c demo -o work/demo.npy
    python3 agree.py ../../build/release/pgmmr work/demo.npy work/checkpoint.pt
"""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import bpe
import evaluate
import model
import pictures


def main(program, exported, checkpoint):
    here, saved = Path(__file__).parent, torch.load(checkpoint)
    clip, tokenizer = model.Clip(saved["config"]), bpe.Tokenizer(saved["merges"])
    clip.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    keys, pixels = pictures.collection(str(here / "work"))
    row = {json.loads(line)["key"]: i for i, line in enumerate(open(exported.replace(".npy", ".keys.jsonl")))}
    ours = np.load(exported)[[row[k] for k in keys]]
    say("pictures", ours, evaluate.embed_collection(clip.embed_pictures, pixels).numpy())
    names = sorted({t[lang]["name"] for t in json.load(open(here / "work/things.json")) for lang in ("en", "zh")})
    found = subprocess.run([program, "embed", "text", "--model", str(here / "../../models/demo"), *names],
                           check=True, capture_output=True)
    say("names", np.array(json.loads(found.stdout)["embeddings"]), evaluate.embed_words(clip, tokenizer, names).numpy())


def say(what, ours, theirs):
    cosine = (ours * theirs).sum(1)
    print(f"{len(cosine):,} {what}: smallest cosine {cosine.min():.7f}, largest difference {abs(ours - theirs).max():.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
