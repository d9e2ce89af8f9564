"""Trains the vision tower on, alone, towards the names' embeddings and a vector for each thing.

A step takes 128 things, two drawings of each; in three of five, sixteen things of one kind in a row come in one pair of
styles. Three losses, summed:

  twins    train_teacher.py's
  picture  picture against the mean of what the tower made of each thing's drawings before
  names    picture against each thing's name, English and Chinese, half each

Layers are left out at random, later ones more often (Huang et al. 2016, stochastic depth), and 32 of the 64 patches,
blank ones first, except in the last sixth of the steps. The means are taken again after half of them.

    python3 train_vision.py --work work --checkpoint work/student.pt --out work/vision.pt
"""
import loop  # before PyTorch: it says how its threads wait

import copy
import json
import types

import torch
import torch.nn.functional as F

import evaluate
import model
import muon
import pictures
import train_student
import train_teacher

KEPT = 32
RUN = 16


def leave_out_layers(encoder):
    """Each half of layer i is left out for 2 % + 3 % i of the pictures, and counts the more for the others."""
    def forward(self, x, mask=None):
        states = []
        for i, layer in enumerate(self.layers):
            share = 0.02 + 0.03 * i
            counts = lambda: (torch.rand(len(x), 1, 1) > share).float() / (1 - share)
            x = x + counts() * layer.self_attn(layer.layer_norm1(x), mask)
            x = x + counts() * layer.mlp(layer.layer_norm2(x))
            states.append(x)
        return states
    encoder.forward = types.MethodType(forward, encoder)


def centres(clip, data):
    """-> float32 [dim, things], unit length: the mean of what the tower makes of each thing's drawings on white."""
    sums = torch.zeros(len(data.flips), clip.visual_projection.out_features)
    drawn = [(d, t) for t in sorted(data.of_class) for d in data.of_class[t]]
    for i in range(0, len(drawn), 256):
        which, classes = (torch.tensor(part) for part in zip(*drawn[i:i + 256]))
        rgba = data.pixels[which].float() / 255
        on_white = rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]
        with torch.no_grad():
            sums.index_add_(0, classes, clip.embed_pictures(pictures.normalise(on_white)))
    return F.normalize(sums, dim=1).t()


def train(clip, data, steps, lr, seed):
    """-> the running average of clip, whose vision tower alone has changed."""
    with torch.no_grad():
        names = [evaluate.embed_words(clip, data.tokenizer, [t[language]["name"] for t in data.captions.things]).t()
                 for language in ("en", "zh")]
    for vectors in names:
        vectors[:, [thing for thing, of in enumerate(data.class_of) if thing != of]] = 0  # drawn as another's
    average = copy.deepcopy(clip)
    for name, parameter in clip.named_parameters():
        parameter.requires_grad_(model.is_vision(name))
    leave_out_layers(clip.vision_model.encoder)
    optimiser = muon.Optimiser([(n, p) for n, p in clip.named_parameters() if model.is_vision(n)], lr)
    progress, step, epoch = loop.Progress(), 0, 0
    while step < steps:
        rng, generator = loop.draws(seed, 3, epoch)
        for batch_of in data.epoch(rng, RUN):
            if step >= steps:
                break
            if step in (0, steps // 2):
                things = centres(average, data)
            pixels, classes = data.pair(batch_of, rng, generator, RUN if rng.random() < 0.6 else None)
            keep = train_student.kept(pixels, generator, KEPT) if 6 * step < 5 * steps else None
            with loop.autocast():
                picture = clip.embed_pictures(pixels, keep)
            alike = picture @ picture.t() / 0.1 - 1e9 * torch.eye(len(picture))
            against = lambda vectors: F.cross_entropy(20 * picture @ vectors, classes, label_smoothing=0.1)
            parts = {"twins": train_teacher.soft(alike, (classes[:, None] == classes).float() - torch.eye(len(picture))),
                     "picture": against(things), "names": sum(map(against, names)) / 2}
            optimiser.step(sum(parts.values()), train_teacher.rate(step, steps))
            loop.blend(average, clip, min(0.99, (step + 1) / (step + 20)))
            step += 1
            progress.add(step, parts)
        epoch += 1
    return average


def main():
    parser = loop.options(__doc__, "work/vision.pt", steps=2600, lr=1.2e-3)
    parser.add_argument("--checkpoint", default="work/student.pt")
    a = parser.parse_args()
    data, saved = loop.begin(a), torch.load(a.checkpoint)
    clip = model.Clip(saved["config"])
    clip.load_state_dict(saved["model"])
    clip = train(clip, data, a.steps, a.lr, a.seed)
    print(f"validation {json.dumps(evaluate.figures(clip, data, data.validation))}", flush=True)
    torch.save({**saved, "model": clip.state_dict()}, a.out)


if __name__ == "__main__":
    main()
