"""Byte-level BPE with CLIP's rules: learns a vocabulary from texts, and encodes texts with it.

Rules: NFC, white space runs to one space, lower case per character; pieces are contractions, runs of
letters, single digits, runs of anything else; bytes mapped to printable letters as in GPT-2, `</w>` on
a piece's last symbol, merges by rank. Source: openai/CLIP clip/simple_tokenizer.py and the pipeline in
transformers' CLIPTokenizerFast. Ties between equally frequent pairs go to the smaller pair in code
point order, so that a vocabulary can be rebuilt.
"""
import unicodedata
from collections import Counter

START, END = "<|startoftext|>", "<|endoftext|>"
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def byte_letters():
    """GPT-2's bytes_to_unicode: 256 bytes -> 256 printable characters, printable ones as they are."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in kept}
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + len(letters) - len(kept))
    return letters


LETTERS = byte_letters()


def pieces(text):
    """'A red apple, 苹果!' -> ['a', 'red', 'apple', ',', '苹果', '!']"""
    text = "".join(c.lower() for c in " ".join(unicodedata.normalize("NFC", text).split()))
    kind = lambda c: " " if c.isspace() else unicodedata.category(c)[0] if unicodedata.category(c)[0] in "LN" else "P"
    found, i = [], 0
    while i < len(text):
        k = kind(text[i])
        end = i + 1
        contraction = next((c for c in CONTRACTIONS if text.startswith(c, i)), None)
        if contraction:
            end = i + len(contraction)
        elif k in "LP":
            while end < len(text) and kind(text[end]) == k:
                end += 1
        if k != " ":
            found.append(text[i:end])
        i = end
    return found


def symbols(piece):
    """The piece's bytes as letters, the last one marked as a word's end."""
    s = [LETTERS[b] for b in piece.encode()]
    return (*s[:-1], s[-1] + "</w>")


def merged(word, pair):
    """The word with every occurrence of the pair joined, left to right."""
    result, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            result.append(word[i] + word[i + 1])
            i += 2
        else:
            result.append(word[i])
            i += 1
    return tuple(result)


def learn(counts, size):
    """counts {text: weight} -> merges, at most size - 514 of them, most frequent pair first."""
    words = Counter()
    for text, n in counts.items():
        for piece in pieces(text):
            words[symbols(piece)] += n
    words = [[w, n] for w, n in sorted(words.items())]
    pairs, places = Counter(), {}
    for i, (w, n) in enumerate(words):
        for pair in zip(w, w[1:]):
            pairs[pair] += n
            places.setdefault(pair, set()).add(i)
    merges = []
    while len(merges) < size - 514 and pairs:
        best, n = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if n < 2:
            break
        merges.append(best)
        for i in sorted(places[best]):
            w, n = words[i]
            for pair in zip(w, w[1:]):
                pairs[pair] -= n
            words[i][0] = w = merged(w, best)
            for pair in zip(w, w[1:]):
                pairs[pair] += n
                places.setdefault(pair, set()).add(i)
        del pairs[best], places[best]
        if len(merges) % 200 == 0:
            pairs = Counter({p: n for p, n in pairs.items() if n > 0})
    return merges


class Tokenizer:
    def __init__(self, merges):
        letters = [LETTERS[b] for b in [*range(33, 127), *range(161, 173), *range(174, 256),
                                        *range(33), *range(127, 161), 173]]
        names = [*letters, *(c + "</w>" for c in letters), *(a + b for a, b in merges), START, END]
        self.merges = [tuple(m) for m in merges]
        self.vocabulary = {name: i for i, name in enumerate(names)}
        assert len(self.vocabulary) == len(names), "two merges make the same symbol"
        self.ranks = {m: i for i, m in enumerate(self.merges)}
        self.cache = {}

    def __len__(self):
        return len(self.vocabulary)

    def encode(self, text, length):
        """Ids with start and end token, at most `length` of them."""
        ids = []
        for piece in pieces(text):
            if piece not in self.cache:
                word = symbols(piece)
                while len(word) > 1:
                    pair = min(zip(word, word[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
                    if pair not in self.ranks:
                        break
                    word = merged(word, pair)
                self.cache[piece] = [self.vocabulary[s] for s in word]
            ids += self.cache[piece]
        return [self.vocabulary[START], *ids[: length - 2], self.vocabulary[END]]
