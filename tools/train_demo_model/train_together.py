"""Trains both towers together at last, on hard batches: the text tower gets used to the vision tower that stands in
for the teacher, and the vision tower to telling neighbours apart by itself.

The four losses and the batches (sixteen things of one kind in a row, in one pair of styles) are train_teacher.py's;
every patch is kept, and the learnt vectors of the things stand still. Everything is seeded.

    python3 train_together.py --work work --student work/student.pt --out work/together.pt
"""
import copy
import json

import torch

import evaluate
import loop
import model
import muon
import train_teacher
from train_student import rate


def train(clip, things, data, steps, lr, seed):
    """-> the running average of both towers, in a copy of clip."""
    optimiser, average = muon.Optimiser(list(clip.named_parameters()), lr), copy.deepcopy(clip)
    progress, step, epoch = loop.Progress(), 0, 0
    while step < steps:
        rng, generator = loop.draws(seed, 2, epoch)
        for batch_of in data.epoch(rng, train_teacher.RUN):
            if step >= steps:
                break
            parts = train_teacher.losses(clip, clip.embed_pictures, things, data,
                                         data.batch(batch_of, rng, generator, train_teacher.RUN))
            optimiser.step(sum(parts.values()), rate(step, steps, steps, warmup=30))
            loop.blend(average, clip, min(0.98, (step + 1) / (step + 20)))
            step += 1
            progress.add(step, parts)
            if step % 100 == 0 or step == steps:
                progress.say(step, f"validation {json.dumps(evaluate.figures(average, data, data.validation))}")
        epoch += 1
    return average


def main():
    parser = loop.options(__doc__, "work/together.pt", steps=750, lr=8e-4)
    parser.add_argument("--teacher", default="work/teacher.pt")
    parser.add_argument("--student", default="work/student.pt")
    a = parser.parse_args()
    data, saved = loop.begin(a), torch.load(a.student)
    clip = model.Clip(saved["config"])
    clip.load_state_dict(saved["model"])
    clip = train(clip, torch.load(a.teacher)["things"], data, a.steps, a.lr, a.seed)
    torch.save({**saved, "model": clip.state_dict()}, a.out)


if __name__ == "__main__":
    main()
