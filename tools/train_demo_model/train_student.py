"""Trains the vision tower to see what the teacher sees.

A step takes 256 drawings; teacher and student get the same augmented pixels (Beyer et al. 2022, "a good teacher
is patient and consistent"). Three losses, summed:

  same    5 (1 - cosine) of the two embeddings
  sorted  cross-entropy of the student's ranking of all things against the teacher's
  places  after the fourth layer each patch's state, put through a learnt matrix, against the teacher's features of
          that place (Romero et al. 2015, hints; both normalised)

40 of the 64 patches are dropped (Li et al. 2023, FLIP), blank ones first. The rate stays where it is: what comes out is the
running average. Everything is seeded.

    python3 train_student.py --work work --teacher work/teacher.pt --out work/student.pt
"""
import loop  # before PyTorch: it says how its threads wait

import copy
import json

import numpy as np
import torch
import torch.nn.functional as F

import convnet
import evaluate
import model
import muon
import train_teacher

PICTURES = 256
KEPT = 24
WARMUP = 100
HINTED_LAYER = 4


def prepare(vision):
    """A start that helps: places as waves (Vaswani et al. 2017, in two dimensions), attention to what is alike.

    Keys start half equal to queries (Trockman and Kolter 2023, "Mimetic initialization of self-attention layers"), so
    that the first layers mix neighbours of the same colour from the beginning.
    """
    with torch.no_grad():
        place = vision.embeddings.position_embedding.weight
        side, width = int((len(place) - 1) ** 0.5), place.shape[1]
        omega = 10 ** -torch.linspace(0, 1.5, width // 4)
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        waves = [f(at.flatten()[:, None] * omega) for at in (x, y) for f in (torch.sin, torch.cos)]
        place[1:] = 0.5 * torch.cat(waves, 1)
        for layer in vision.encoder.layers:
            query, key = layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight
            key.copy_((query + key) / 2 ** 0.5)


def kept(pixels, generator, count):
    """float [n, 3, S, S] -> int64 [n, count], the patches to keep: at random, but blank ones last."""
    chance = torch.rand(len(pixels), 64, generator=generator)
    patches = pixels.view(len(pixels), 3, 8, 8, 8, 8)
    busy = (patches.amax((3, 5)) - patches.amin((3, 5))).amax(1).flatten(1) > 0.5
    return (chance - 0.6 * busy).argsort(1)[:, :count]


def epoch(data, rng):
    """Drawings and their things [PICTURES, 2] at a time; all of a thing as often as Data.often says."""
    drawn = np.array([(d, t) for t in data.often(rng) for d in data.of_class[t]])
    drawn = drawn[rng.permutation(len(drawn))]
    return [drawn[i:i + PICTURES] for i in range(0, len(drawn) - PICTURES + 1, PICTURES)]


def losses(clip, hint, net, things, parameters, pixels, keep):
    with loop.autocast(), torch.no_grad():
        taught, places = net(pixels)

    def student(pixels, keep):
        pooled, states = clip.vision_model(pixels, keep)
        return F.normalize(clip.visual_projection(pooled).float(), dim=-1), hint(states[HINTED_LAYER - 1][:, 1:])
    own, said = loop.in_parts(student, parameters, loop.halves(pixels, keep))
    places = F.layer_norm(places.float().flatten(2).transpose(1, 2), places.shape[1:2])
    places = places.gather(1, keep[:, :, None].expand(-1, -1, places.shape[2]))
    things = F.normalize(things, dim=1).t()
    return {"same": 5 * (1 - (own * taught).sum(1).mean()),
            "sorted": train_teacher.soft(20 * own @ things, (20 * taught @ things).softmax(1)),
            "places": F.mse_loss(said.float(), places)}


def train(clip, net, things, data, steps, lr, seed):
    """-> the vision tower's running average, in a copy of clip."""
    hint = torch.nn.Linear(clip.visual_projection.in_features, convnet.WIDTHS[convnet.PATCH_STAGE])
    optimiser = muon.Optimiser([*model.vision_tower(clip), *hint.named_parameters()], lr)
    average, progress = copy.deepcopy(clip), loop.Progress()

    def draw(step, drawn, rng, generator):
        pixels = data.augmented(drawn[:, 0], drawn[:, 1], generator)
        return pixels, kept(pixels, generator, KEPT)
    for step, inputs in loop.batches(seed, 0, steps, lambda rng: epoch(data, rng), draw):
        parts = losses(clip, hint, net, things, optimiser.parameters, *inputs)
        optimiser.step(sum(parts.values()), min(1, (step + 1) / WARMUP))
        loop.blend(average, clip, step, 0.995)
        progress.add(step, parts)
    progress.say(steps, f"validation {json.dumps(evaluate.figures(average, data, data.validation))}")
    return average


def main():
    parser = loop.options(__doc__, "work/student.pt", steps=1000, lr=1.5e-3)
    parser.add_argument("--teacher", default="work/teacher.pt")
    a = parser.parse_args()
    data = loop.begin(a)
    taught = torch.load(a.teacher)
    clip = model.Clip(taught["config"])
    clip.load_state_dict(taught["clip"])
    net = convnet.ConvNet(taught["config"]["projection_dim"]).eval()
    net.load_state_dict(taught["net"])
    prepare(clip.vision_model)
    clip = train(clip, net, taught["things"], data, a.steps, a.lr, a.seed)
    torch.save({"config": taught["config"], "merges": data.merges, "model": clip.state_dict()}, a.out)


if __name__ == "__main__":
    main()
