"""Trains the demo's CLIP: drawings in eight styles and what can be said about them, in two languages.

A step takes 128 things, two drawings of each and a text in English or Chinese. Four losses, summed:

  words     symmetric cross-entropy of texts and pictures, right answers shared equally (CLIP's loss with
            several positives: "something to eat" is right for every food in the batch)
  twins     supervised contrastive loss over pictures, two styles of one thing are positives
            (Khosla et al. 2020, eq. 2, "out")
  picture   picture against a learnt vector for each of the 1,9xx things, dropped after training
  text      text against the same vectors, so that both towers meet there
            (the last two stand for a batch of all things; Movshovitz-Attias et al. 2017, proxies)

Most of the 64 patches are dropped (Li et al. 2023, FLIP), blank ones first, except in the last `--full` steps. The learning rate
falls from its plateau to zero in the last `--cooldown` steps. Everything is seeded.

    python3 train.py --work work --steps 3200 --out work/checkpoint.pt
"""
import argparse
import collections
import copy
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import numpy as np
import torch
import torch.nn.functional as F

import bpe
import captions
import evaluate
import model
import muon
import pictures

POSITIONS = 32
THINGS = 128
# The first EARLY steps of the committed model were slower: 28 patches drawn evenly, a text in both languages.
EARLY = 420
KEPT_EARLY, KEPT = 28, 20


class Data:
    """What training reads: drawings by class, captions, tokenizer; a class is a thing (flags drawn alike are one)."""

    def __init__(self, work, kinds):
        self.names, self.pixels = pictures.drawings(work)
        self.keys, self.collection = pictures.collection(work)
        self.test, self.validation = pictures.held_out(self.keys)
        hidden = {(pictures.MAKER[k.split("/")[0]], t) for k, t in {**self.test, **self.validation}.items()}
        things = json.load(open(f"{work}/things.json"))
        at = {t["hex"]: i for i, t in enumerate(things)}
        self.class_of = [at[pictures.thing_of(t["hex"])] for t in things]
        self.of_class = collections.defaultdict(list)
        votes = collections.defaultdict(list)
        for i, (style, hexcode) in enumerate(self.names):
            thing = pictures.thing_of(hexcode)
            if (pictures.MAKER[style], thing) not in hidden:
                self.of_class[at[thing]].append(i)
                votes[hexcode].append(pictures.colours(self.pixels[i].numpy()))
        colours = [sorted(c for c, n in collections.Counter(c for v in votes[t["hex"]] for c in v).items()
                          if 2 * n >= len(votes[t["hex"]])) for t in things]
        self.captions = captions.load(work, kinds, colours)
        self.merges = bpe.learn(self.captions.corpus(), 4000)
        self.tokenizer = bpe.Tokenizer(self.merges)
        flip = lambda t: t["kind"].startswith(pictures.FLIPPED_KINDS) and not any(
            w in t["en"]["name"] for w in ("left", "right", "facing", "pointing"))
        self.flips = np.array([flip(t) for t in things])
        self.kind = np.array([t["kind"] for t in things])

    def epoch(self, rng):
        """Batches of things: neighbours of one kind in runs of eight, so that each batch has hard negatives."""
        trained = np.array(sorted(self.of_class))
        runs = []
        for kind in sorted(set(self.kind)):
            own = rng.permutation(trained[self.kind[trained] == kind])
            runs += [own[i:i + 8] for i in range(0, len(own), 8)]
        order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
        return [order[i:i + THINGS] for i in range(0, len(order) - THINGS + 1, THINGS)]

    def batch(self, things, rng, generator, early):
        """-> pixels [2n, 3, S, S], their classes [2n], m lists of ids, meant float [m, things]"""
        drawn = []
        for view in range(2):
            for t in things:
                own = self.of_class[t]
                if view == 0:
                    drawn.append(own[rng.integers(len(own))])
                else:  # another drawing where there is one
                    first = drawn[len(drawn) - len(things)]
                    others = [d for d in own if d != first] or own
                    drawn.append(others[rng.integers(len(others))])
        classes = torch.from_numpy(np.tile(things, 2))
        pixels = pictures.augment(self.pixels[drawn], torch.from_numpy(self.flips[np.tile(things, 2)]), generator)
        said = [(lang, t) for lang in captions.LANGUAGES for t in things] if early else [
            (captions.LANGUAGES[rng.integers(2)], t) for t in things]
        texts, meant = [], torch.zeros(len(said), len(self.flips))
        for row, (lang, t) in enumerate(said):
            text, about = self.captions.sample(t, lang, rng)
            texts.append(self.tokenizer.encode(text, POSITIONS))
            about = [t] if about is None else np.unique([self.class_of[i] for i in np.flatnonzero(about)])
            meant[row, about] = 1
            meant[row, t] = 1
        return pixels, classes, texts, meant


def kept(pixels, early, generator):
    """float [n, 3, S, S] -> int64 [n, k], the patches to keep: at random, but blank ones last."""
    chance = torch.rand(len(pixels), 64, generator=generator)
    if early:
        return chance.argsort(1)[:, :KEPT_EARLY]
    patches = pixels.view(len(pixels), 3, 8, 8, 8, 8)
    busy = (patches.amax((3, 5)) - patches.amin((3, 5))).amax(1).flatten(1) > 0.5
    return (chance - 0.6 * busy).argsort(1)[:, :KEPT]


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


def losses(clip, proxies, data, batch, keep):
    pixels, classes, texts, meant = batch
    with torch.autocast("cpu", torch.bfloat16):
        picture = clip.embed_pictures(pixels, keep)
        text = embed_texts(clip, texts, len(data.tokenizer) - 1)
    about = meant[:, classes]
    logits = clip.logit_scale.exp().clamp(max=50) * text @ picture.t()
    words = (soft(logits, about) + soft(logits.t(), about.t())) / 2
    alike = picture @ picture.t() / 0.1 - 1e9 * torch.eye(len(picture))
    twins = soft(alike, (classes[:, None] == classes).float() - torch.eye(len(picture)))
    proxy = 20 * F.normalize(proxies, dim=1).t()
    one = F.cross_entropy(picture @ proxy, classes, label_smoothing=0.05)
    said = soft(text @ proxy, meant)
    return {"words": words, "twins": twins, "picture": one, "text": said}


def rate(step, steps, cooldown, warmup=200):
    """Share of the peak learning rate: linear warm-up, plateau, half a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / cooldown
    return 1.0 if left > 1 else float(0.5 - 0.5 * np.cos(np.pi * left))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="work")
    parser.add_argument("--kinds", default=str(Path(__file__).parent / "../sample_collection/kinds.json"))
    parser.add_argument("--out", default="work/checkpoint.pt")
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--cooldown", type=int, default=1300)
    parser.add_argument("--full", type=int, default=350)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from OUT.state, for instance with other --steps")
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    data = Data(a.work, a.kinds)
    config = model.config(len(data.tokenizer), vision_layers=a.layers, positions=POSITIONS)
    clip = model.Clip(config)
    proxies = torch.nn.Parameter(torch.randn(len(data.flips), config["projection_dim"]) * 0.06)
    hidden = [p for n, p in clip.named_parameters() if ".layers." in n and p.dim() == 2]
    inside = set(map(id, hidden))
    decayed = [p for p in [*clip.parameters(), proxies] if p.dim() > 1 and id(p) not in inside]
    plain = [p for p in clip.parameters() if p.dim() < 2]
    optimisers = [muon.Muon(hidden, a.lr, weight_decay=0.05),
                  torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                    lr=a.lr, betas=(0.9, 0.98))]
    average = copy.deepcopy(clip)
    print(f"{sum(p.numel() for p in clip.parameters()):,} parameters, {len(data.names):,} drawings, "
          f"{sum(map(len, data.of_class.values())):,} trained on, {len(data.test)} test, {len(data.validation)} validation, "
          f"vocabulary {len(data.tokenizer)}", flush=True)
    step, epoch, state = 0, 0, Path(a.out + ".state")
    if a.resume:
        saved = torch.load(state)
        for part, value in ((clip, saved["clip"]), (average, saved["average"]), *zip(optimisers, saved["optimisers"])):
            part.load_state_dict(value)
        proxies.data.copy_(saved["proxies"])
        step, epoch = saved["step"], saved["epoch"]
    seen, began = collections.Counter(), time.time()
    while step < a.steps:
        rng = np.random.default_rng([a.seed, epoch])
        generator = torch.Generator().manual_seed(a.seed * 100003 + epoch)
        for things in data.epoch(rng):
            if step >= a.steps:
                break
            early = step < EARLY
            batch = data.batch(things, rng, generator, early)
            keep = kept(batch[0], early, generator) if step < a.steps - a.full else None
            for group in [g for o in optimisers for g in o.param_groups]:
                group["lr"] = a.lr * rate(step, a.steps, a.cooldown)
            parts = losses(clip, proxies, data, batch, keep)
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
            sum(parts.values()).backward()
            torch.nn.utils.clip_grad_norm_([*clip.parameters(), proxies], 1.0)
            for optimiser in optimisers:
                optimiser.step()
            with torch.no_grad():
                decay = min(0.995, (step + 1) / (step + 20))
                for e, p in zip(average.parameters(), clip.parameters()):
                    e.lerp_(p, 1 - decay)
            seen.update({k: v.item() for k, v in parts.items()})
            step += 1
            if step % 20 == 0:
                told = "  ".join(f"{k} {v / 20:.3f}" for k, v in seen.items())
                print(f"{step:6d} {time.time() - began:6.0f} s  {told}  scale {clip.logit_scale.exp():.1f}", flush=True)
                seen.clear()
            if step % 1000 == 0 or step == a.steps:
                torch.save({"config": config, "merges": data.merges, "model": average.state_dict(), "step": step}, a.out)
                figures = evaluate.figures(average, data, data.validation)
                print(f"{step:6d} {time.time() - began:6.0f} s  validation {json.dumps(figures)}", flush=True)
        epoch += 1
        if epoch % 10 == 0:
            torch.save({"clip": clip.state_dict(), "average": average.state_dict(), "proxies": proxies.data,
                        "optimisers": [o.state_dict() for o in optimisers], "step": step, "epoch": epoch}, state)


if __name__ == "__main__":
    main()
