"""Trains the vision tower on, alone, towards the names' embeddings and a vector for each thing.

A step takes 128 things, two drawings of each; in three of five, sixteen things of one kind in a row come in one pair of
styles. Three losses, summed:

  twins    train_teacher.py's
  picture  picture against the mean of what the tower made of each thing's drawings before
  names    picture against each thing's name, English and Chinese, half each

Layers are left out at random, later ones more often (Huang et al. 2016, stochastic depth), and 32 of the 64 patches,
blank ones first, except in the last eighth of the steps. The means are taken again after half of them.

    python3 train_vision.py --work work --checkpoint work/student.pt --out work/vision.pt
"""
import loop  # before PyTorch: it says how its threads wait

import copy

import torch
import torch.nn.functional as F

import evaluate
import model
import muon
import pictures
import train_student
import train_teacher

KEPT, ALL = 32, 64
RUN = 16


def halves_left_out(n, layers, generator):
    """-> float [n, layers, 2]: each half of layer i is left out for 2 % + 3 % i of the pictures, and counts the more for
    the others."""
    share = 0.02 + 0.03 * torch.arange(layers)[:, None]
    return (torch.rand(n, layers, 2, generator=generator) > share).float() / (1 - share)


def centres(clip, data):
    """-> float32 [dim, things], unit length: the mean of what the tower makes of each thing's drawings on white."""
    sums = torch.zeros(len(data.flips), clip.visual_projection.out_features)
    drawn = torch.tensor([(d, t) for t in sorted(data.of_class) for d in data.of_class[t]])

    def embed(which):
        rgba = data.pixels[which].float() / 255
        on_white = rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]
        with torch.no_grad():
            return clip.embed_pictures(pictures.normalise(on_white))
    embeddings = torch.cat(list(loop.workers.map(embed, drawn[:, 0].split(128))))
    return F.normalize(sums.index_add_(0, drawn[:, 1], embeddings), dim=1).t()


def train(clip, data, steps, lr, seed):
    """-> the running average of clip, whose vision tower alone has changed."""
    with torch.no_grad():
        names = [evaluate.embed_words(clip, data.tokenizer, [t[language]["name"] for t in data.captions.things]).t()
                 for language in ("en", "zh")]
    for vectors in names:
        vectors[:, [thing for thing, of in enumerate(data.class_of) if thing != of]] = 0  # drawn as another's
    average = copy.deepcopy(clip)
    optimiser, progress = muon.Optimiser(model.vision_tower(clip), lr), loop.Progress()
    embed = lambda *inputs: (clip.embed_pictures(*inputs),)

    def draw(step, batch_of, rng, generator):
        pixels, classes = data.pair(batch_of, rng, generator, RUN if rng.random() < 0.6 else None)
        keep = train_student.kept(pixels, generator, KEPT if 8 * step < 7 * steps else ALL)
        counts = halves_left_out(len(pixels), len(clip.vision_model.encoder.layers), generator)
        return loop.halves(pixels, keep, counts), classes
    for step, (inputs, classes) in loop.batches(seed, 3, steps, lambda rng: data.epoch(rng, RUN), draw):
        if step in (0, steps // 2):
            things = centres(average, data)
        picture, = loop.in_parts(embed, optimiser.parameters, inputs)
        against = lambda vectors: F.cross_entropy(20 * picture @ vectors, classes, label_smoothing=0.1)
        parts = {"twins": train_teacher.twins(picture, classes), "picture": against(things),
                 "names": sum(map(against, names)) / 2}
        optimiser.step(sum(parts.values()), train_teacher.rate(step, steps))
        loop.blend(average, clip, step)
        progress.add(step, parts)
    return average


def main():
    parser = loop.options(__doc__, "work/vision.pt", steps=3600, lr=1.2e-3)
    parser.add_argument("--checkpoint", default="work/student.pt")
    loop.train_on(parser.parse_args(), train)


if __name__ == "__main__":
    main()
