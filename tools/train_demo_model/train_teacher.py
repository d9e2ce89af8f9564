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
import loop  # before PyTorch: it says how its threads wait

import json

import torch
import torch.nn.functional as F

import convnet
import evaluate
import model
import muon
from data import POSITIONS


def pad(rows, end):
    ids = torch.full((len(rows), max(map(len, rows))), end)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
    return ids


def embed_texts(clip, rows, end):
    """Short and long texts apart, so that only long ones are padded to the longest."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    cut = len(order) * 3 // 4
    parts = [(pad([rows[i] for i in part], end),) for part in (order[:cut], order[cut:])]
    text, = loop.in_parts(lambda ids: (clip.embed_texts(ids),), [p for _, p in model.text_tower(clip)], parts)
    return text[torch.tensor(order).argsort()]


def soft(logits, right):
    """Cross-entropy against right answers that share the probability equally."""
    return -(right / right.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()


def twins(picture, classes):
    itself = torch.eye(len(picture))
    return soft(picture @ picture.t() / 0.1 - 1e9 * itself, (classes[:, None] == classes).float() - itself)


def losses(clip, embed_pictures, things, data, batch):
    """All four, with that picture tower."""
    pixels, classes, texts, meant = batch
    picture = embed_pictures(pixels)
    text = embed_texts(clip, texts, len(data.tokenizer) - 1)
    about = meant[:, classes]
    logits = clip.logit_scale.exp().clamp(max=50) * text @ picture.t()
    words = (soft(logits, about) + soft(logits.t(), about.t())) / 2
    things = F.normalize(things, dim=1).t()
    one = F.cross_entropy(20 * picture @ things, classes, label_smoothing=0.05)
    said = soft(20 * text @ things, meant)
    return {"words": words, "twins": twins(picture, classes), "picture": one, "text": said}


def rate(step, steps, warmup=60):
    """Share of the peak learning rate: linear warm-up, plateau, linear to zero over the last 60 %."""
    return min(1, (step + 1) / warmup, (steps - step) / (0.6 * steps))


def train(clip, net, things, data, steps, lr, seed):
    nets, of_net = (net, convnet.twin(net)), list(net.parameters())
    embed = lambda pixels: loop.in_parts(lambda net, pixels: net(pixels)[:1], of_net, [*zip(nets, pixels.chunk(2))])[0]
    optimiser = muon.Optimiser([("logit_scale", clip.logit_scale), *model.text_tower(clip), *net.named_parameters(),
                                ("things", things)], lr)
    progress = loop.Progress()
    for step, batch in loop.batches(seed, 0, steps, data.epoch, lambda step, *drawn: data.batch(*drawn)):
        parts = losses(clip, embed, things, data, batch)
        optimiser.step(sum(parts.values()), rate(step, steps))
        progress.add(step, parts)
    net.eval()
    found = evaluate.figures(clip, data, data.validation, lambda pixels: net(pixels)[0])
    progress.say(steps, f"validation {json.dumps(found)}")


def main():
    a = loop.options(__doc__, "work/teacher.pt", steps=1000, lr=2e-3).parse_args()
    data = loop.begin(a)
    config = model.config(len(data.tokenizer), positions=POSITIONS)
    clip = model.Clip(config)  # its vision tower waits for train_student.py
    net = convnet.ConvNet(config["projection_dim"])
    things = torch.nn.Parameter(torch.randn(len(data.flips), config["projection_dim"]) * 0.06)
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters in the teacher, {len(data.names):,} drawings, "
          f"{sum(map(len, data.of_class.values())):,} trained on, {len(data.test)} test, {len(data.validation)} validation, "
          f"vocabulary {len(data.tokenizer)}", flush=True)
    train(clip, net, things, data, a.steps, a.lr, a.seed)
    torch.save({"config": config, "merges": data.merges, "clip": clip.state_dict(), "net": net.state_dict(),
                "things": things.data}, a.out)


if __name__ == "__main__":
    main()
