"""Trains the text tower, beside a convolution network that stands in for the vision tower and will teach it.

A step takes 128 things, two drawings of each and a text in English or Chinese. Four losses, summed:

  words     symmetric cross-entropy of texts and pictures, right answers shared equally (CLIP's loss with
            several positives: "something to eat" is right for every food in the batch)
  twins     supervised contrastive loss over pictures, two styles of one thing are positives
            (Khosla et al. 2020, eq. 2, "out")
  picture   picture against a learnt vector for each of the 1,9xx things
  text      text against the same vectors, so that both towers meet there
            (the last two stand for a batch of all things; Movshovitz-Attias et al. 2017, proxies)

    python3 train_teacher.py --work work --out work/teacher.pt
"""
import argparse
import collections
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch
import torch.nn.functional as F

import convnet
import evaluate
import model
import muon
from data import POSITIONS, Data


def pad(rows, end):
    ids = torch.full((len(rows), max(map(len, rows))), end)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
    return ids


def embed_texts(clip, rows, end):
    """Short and long texts apart, so that a long one costs only its half."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    cut = len(order) * 3 // 4
    parts = [clip.embed_texts(pad([rows[i] for i in part], end)) for part in (order[:cut], order[cut:])]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def soft(logits, right):
    """Cross-entropy against right answers that share the probability equally."""
    return -(right / right.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()


def word_losses(clip, things, text, picture, classes, meant):
    """Text and picture embeddings [n, dim], [m, dim]; meant float [n, things] -> the losses `words` and `text`."""
    about = meant[:, classes]
    logits = clip.logit_scale.exp().clamp(max=50) * text @ picture.t()
    return {"words": (soft(logits, about) + soft(logits.t(), about.t())) / 2,
            "text": soft(20 * text @ F.normalize(things, dim=1).t(), meant)}


def losses(clip, net, things, data, batch):
    pixels, classes, texts, meant = batch
    with torch.autocast("cpu", torch.bfloat16):
        picture, _ = net(pixels)
        text = embed_texts(clip, texts, len(data.tokenizer) - 1)
    alike = picture @ picture.t() / 0.1 - 1e9 * torch.eye(len(picture))
    twins = soft(alike, (classes[:, None] == classes).float() - torch.eye(len(picture)))
    one = F.cross_entropy(20 * picture @ F.normalize(things, dim=1).t(), classes, label_smoothing=0.05)
    return {**word_losses(clip, things, text, picture, classes, meant), "twins": twins, "picture": one}


def rate(step, steps, warmup=60):
    """Share of the peak learning rate: linear warm-up, plateau, linear to zero over the last 60 %."""
    return min(1, (step + 1) / warmup, (steps - step) / (0.6 * steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="work")
    parser.add_argument("--kinds", default=str(Path(__file__).parent / "../sample_collection/kinds.json"))
    parser.add_argument("--out", default="work/teacher.pt")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    data = Data(a.work, a.kinds)
    config = model.config(len(data.tokenizer), positions=POSITIONS)
    clip = model.Clip(config)  # its vision tower waits for train_student.py
    net = convnet.ConvNet(config["projection_dim"])
    things = torch.nn.Parameter(torch.randn(len(data.flips), config["projection_dim"]) * 0.06)
    text_tower = [(n, p) for n, p in clip.named_parameters() if "vision" not in n and "visual" not in n]
    optimiser = muon.Optimiser([*text_tower, *net.named_parameters(), ("things", things)], a.lr)
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters in the teacher, {len(data.names):,} drawings, "
          f"{sum(map(len, data.of_class.values())):,} trained on, {len(data.test)} test, {len(data.validation)} validation, "
          f"vocabulary {len(data.tokenizer)}", flush=True)
    step, epoch, seen, began = 0, 0, collections.Counter(), time.time()
    while step < a.steps:
        rng = np.random.default_rng([a.seed, epoch])
        generator = torch.Generator().manual_seed(a.seed * 100003 + epoch)
        for batch_of in data.epoch(rng):
            if step >= a.steps:
                break
            parts = losses(clip, net, things, data, data.batch(batch_of, rng, generator))
            optimiser.step(sum(parts.values()), rate(step, a.steps))
            seen.update({k: v.item() for k, v in parts.items()})
            step += 1
            if step % 20 == 0:
                told = "  ".join(f"{k} {v / 20:.3f}" for k, v in seen.items())
                print(f"{step:6d} {time.time() - began:6.0f} s  {told}  scale {clip.logit_scale.exp():.1f}", flush=True)
                seen.clear()
            if step % 300 == 0 or step == a.steps:
                net.eval()
                torch.save({"config": config, "merges": data.merges, "clip": clip.state_dict(), "net": net.state_dict(),
                            "things": things.data, "step": step}, a.out)
                found = evaluate.figures(clip, data, data.validation, lambda pixels: net(pixels)[0])
                print(f"{step:6d} {time.time() - began:6.0f} s  validation {json.dumps(found)}", flush=True)
                net.train()
        epoch += 1


if __name__ == "__main__":
    main()
