"""What training reads, and how a batch is drawn from it."""
import collections
import json

import numpy as np
import torch

import bpe
import captions
import pictures

POSITIONS = 32
THINGS = 128


class Data:
    """What training reads: drawings by class, captions, tokenizer; a class is a thing (flags drawn alike are one)."""

    def __init__(self, work, kinds):
        self.names, self.pixels = pictures.drawings(work)
        self.keys, self.collection = pictures.collection(work)
        self.test, self.validation = pictures.held_out(self.keys)
        hidden = {(pictures.MAKER[k.split("/")[0]], t) for k, t in {**self.test, **self.validation}.items()}
        things = json.load(open(f"{work}/things.json"))
        at = {t["hex"].replace("-FE0F", ""): i for i, t in enumerate(things)}
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
        words = lambda t: {w.strip(":,") for x in [t["en"]["name"], *t["en"]["tags"]] for w in x.lower().split()}
        self.hues = np.array([not t["kind"].startswith(pictures.COLOURED_KINDS) and not words(t) & pictures.COLOUR_WORDS
                              for t in things])
        self.measured = np.array([t["kind"].startswith(pictures.MEASURED_KINDS) for t in things])
        self.kind = np.array([t["kind"] for t in things])

    def often(self, rng):
        """The things of an epoch: every second flag of a country, for all makers draw it alike; animals twice."""
        trained = np.array(sorted(self.of_class))
        times = 1 - (self.kind[trained] == "country-flag") * rng.integers(0, 2, len(trained))
        times += np.char.startswith(self.kind[trained], "animal-")
        return np.repeat(trained, times)

    def epoch(self, rng, run=8):
        """Batches of things: neighbours of one kind in runs, so that each batch has hard negatives."""
        things, runs = self.often(rng), []
        for kind in sorted(set(self.kind)):
            own = rng.permutation(things[self.kind[things] == kind])
            runs += [own[i:i + run] for i in range(0, len(own), run)]
        order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
        return [order[i:i + THINGS] for i in range(0, len(order) - THINGS + 1, THINGS)]

    def draw(self, t, style, other, rng):
        """A drawing of thing t, in that style if there is one; another than `other` if there is one."""
        own = [d for d in self.of_class[t] if d != other] or self.of_class[t]
        own = [d for d in own if self.names[d][0] == style] or own
        return own[rng.integers(len(own))]

    def augmented(self, drawn, things, generator):
        """Drawings [n] of things [n] -> pixels [n, 3, S, S], each time others."""
        flips, hues, measured = (torch.from_numpy(may[things]) for may in (self.flips, self.hues, self.measured))
        return pictures.augment(self.pixels[drawn], flips, hues, measured, generator)

    def pair(self, things, rng, generator, run=None):
        """Two drawings of each thing -> pixels [2n, 3, S, S], their classes [2n].

        run: so many things in a row share a pair of styles, so that a thing's nearest neighbours in its own
        style, such as another person with the same hat, are there to be told apart; None: any styles.
        """
        styles = [(None, None)] * len(things)
        for i in range(0, len(things), run or len(things)):
            if run:
                styles[i:i + run] = [tuple(map(str, rng.choice(list(pictures.MAKER), 2, replace=False)))] * run
        first = [self.draw(t, style[0], None, rng) for t, style in zip(things, styles)]
        drawn = first + [self.draw(t, style[1], d, rng) for t, style, d in zip(things, styles, first)]
        classes = np.tile(things, 2)
        return self.augmented(drawn, classes, generator), torch.from_numpy(classes)

    def batch(self, things, rng, generator):
        """pair, and one text of each thing, either language.

        -> pixels [2n, 3, S, S], their classes [2n], n lists of ids, meant float [n, things]
        """
        pixels, classes = self.pair(things, rng, generator)
        return pixels, classes, *self.texts([(captions.LANGUAGES[rng.integers(2)], t) for t in things], rng)

    def texts(self, said, rng):
        """A text of each (language, thing) -> lists of ids, meant float [texts, things]: what each is right for."""
        texts, meant = [], torch.zeros(len(said), len(self.flips))
        for row, (lang, t) in enumerate(said):
            text, about = self.captions.sample(t, lang, rng)
            texts.append(self.tokenizer.encode(text, POSITIONS))
            about = [t] if about is None else np.unique([self.class_of[i] for i in np.flatnonzero(about)])
            meant[row, about] = 1
            meant[row, t] = 1
        return texts, meant
