"""The held-out figures: words -> held-out pictures, and held-out picture -> the same thing elsewhere."""
import sys
from pathlib import Path

import torch

import model
import pictures


def embed_collection(clip, collection):
    """uint8 [n, 3, S, S] -> float32 [n, dim], unit length; full precision."""
    with torch.no_grad():
        return torch.cat([clip.embed_pictures(pictures.normalise(part.float() / 255)) for part in collection.split(256)])


def embed_words(clip, tokenizer, texts, positions=32):
    rows = [tokenizer.encode(t, positions) for t in texts]
    ids = torch.full((len(rows), max(map(len, rows))), len(tokenizer) - 1)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
    with torch.no_grad():
        return torch.cat([clip.embed_texts(part) for part in ids.split(256)])


def figures(clip, data, hidden, everything=None, detail=False):
    """hidden {key: thing} -> recalls.

    en, zh: the thing's name as the query, all held-out pictures as the gallery, the thing's own as the answer.
    picture: a held-out picture as the query, every other picture of the collection as the gallery, any
    picture of the same thing as the answer (they are all in another style).
    """
    keys = sorted(hidden)
    row = {k: i for i, k in enumerate(data.keys)}
    everything = embed_collection(clip, data.collection) if everything is None else everything
    mine = everything[[row[k] for k in keys]]
    things = {t["hex"]: t for t in data.captions.things}
    found = {}
    for lang in ("en", "zh"):
        names = [things[k.split("/")[1]][lang]["name"] for k in keys]
        scores = embed_words(clip, data.tokenizer, names) @ mine.t()
        rank = (scores > scores.diag()[:, None]).sum(1)
        found[lang] = [round((rank < k).float().mean().item(), 3) for k in (1, 5, 10)]
    scores = mine @ everything.t()
    scores[torch.arange(len(keys)), [row[k] for k in keys]] = -2
    same = torch.tensor([[hidden[k] == pictures.thing_of(o.split("/")[1]) for o in data.keys] for k in keys])
    best = scores.masked_fill(~same, -2).max(1).values
    rank = (scores > best[:, None]).sum(1)
    known = same.sum(1) > 1
    found["picture"] = [round((rank[known] < k).float().mean().item(), 3) for k in (1, 5, 10)]
    if detail:
        found["missed"] = [(k, data.keys[scores[i].argmax()]) for i, k in enumerate(keys) if rank[i] > 0]
    return found


def main(checkpoint):
    import train  # what is held out depends on the data alone

    saved = torch.load(checkpoint)
    here = Path(__file__).parent
    data = train.Data(str(here / "work"), str(here / "../sample_collection/kinds.json"))
    clip = model.Clip(saved["config"])
    clip.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    print(f"step {saved['step']}, weights rounded to F16; recall@1, @5, @10")
    everything = embed_collection(clip, data.collection)
    for name, hidden in (("validation", data.validation), ("test", data.test)):
        found = figures(clip, data, hidden, everything, detail=True)
        print(name, len(hidden), "pictures:", {k: found[k] for k in ("en", "zh", "picture")})
        print("  missed:", "  ".join(f"{k}>{hit}" for k, hit in found["missed"]))


if __name__ == "__main__":
    main(sys.argv[1])
