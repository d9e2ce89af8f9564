"""Trains the text tower on, alone, towards what the trained vision tower makes of the pictures.

The teacher's text tower has met the teacher's embeddings; the vision tower's have moved since. A step takes 128 things and a
text of each in both languages, and costs no picture (Zhai et al. 2022, "LiT: Zero-shot transfer with locked-image text
tuning", where the pictures' tower stands still, too). One loss:

  text  text against the mean of the vision tower's embeddings of each thing's drawings, right answers shared equally

    python3 train_text.py --work work --checkpoint work/vision.pt --out work/checkpoint.pt
"""
import loop  # before PyTorch: it says how its threads wait

import copy
import json

import torch

import captions
import evaluate
import model
import muon
import train_teacher
import train_vision


def train(clip, data, steps, lr, seed):
    things, average = train_vision.centres(clip, data), copy.deepcopy(clip)
    text_tower = [(n, p) for n, p in clip.named_parameters() if not model.is_vision(n) and n != "logit_scale"]
    optimiser = muon.Optimiser(text_tower, lr)
    progress, step, epoch = loop.Progress(), 0, 0
    while step < steps:
        rng, _ = loop.draws(seed, 4, epoch)
        for batch_of in data.epoch(rng):
            if step >= steps:
                break
            texts, meant = data.texts([(language, t) for t in batch_of for language in captions.LANGUAGES], rng)
            with loop.autocast():
                text = train_teacher.embed_texts(clip, texts, len(data.tokenizer) - 1)
            parts = {"text": train_teacher.soft(20 * text @ things, meant)}
            optimiser.step(parts["text"], train_teacher.rate(step, steps))
            loop.blend(average, clip, min(0.99, (step + 1) / (step + 20)))
            step += 1
            progress.add(step, parts)
        epoch += 1
    return average


def main():
    parser = loop.options(__doc__, "work/checkpoint.pt", steps=700, lr=1e-3)
    parser.add_argument("--checkpoint", default="work/vision.pt")
    a = parser.parse_args()
    data, saved = loop.begin(a), torch.load(a.checkpoint)
    clip = model.Clip(saved["config"])
    clip.load_state_dict(saved["model"])
    clip = train(clip, data, a.steps, a.lr, a.seed)
    print(f"validation {json.dumps(evaluate.figures(clip, data, data.validation))}", flush=True)
    torch.save({**saved, "model": clip.state_dict()}, a.out)


if __name__ == "__main__":
    main()
