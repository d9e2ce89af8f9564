"""What can be said about a thing, in English and Chinese.

A text is either about one thing (its name, perhaps with what kind of thing it is, or its tags) or about
every thing that has certain attributes: a tag, a kind ("something to eat"), a colour. For the second sort
all such things are right answers; `Captions.sample` returns them with the text.
"""
import json
import re

import numpy as np

LANGUAGES = ("en", "zh")
NAMED = {"en": ["{}"] * 8 + ["a {}", "the {}", "a picture of {}", "a picture of a {}", "a drawing of a {}", "{} emoji",
                             "{} icon", "an image of {}", "show me a {}", "looking for {}", "my {}", "one {}"],
         "zh": ["{}"] * 8 + ["一个{}", "{}的图片", "一张{}的图", "{}表情", "{}图标", "画着{}", "找{}", "这是{}", "我要找{}", "关于{}的图"]}
OF_KIND = {"en": ["{}, {}", "{} ({})", "{}: a {}", "{}, a kind of {}"], "zh": ["{}，{}", "{}（{}）", "{}是一种{}", "{} {}"]}
COLOURED = {"en": ["{c} {k}", "a {c} {k}", "{k} that is {c}", "{c}, {k}"],
            "zh": ["{c}{k}", "{c}的{k}", "一个{c}的{k}", "{c} {k}"]}
COLOURS = {"red": ["红色", "红"], "orange": ["橙色", "橘色"], "yellow": ["黄色", "黄"], "green": ["绿色", "绿"],
           "blue": ["蓝色", "蓝"], "purple": ["紫色"], "pink": ["粉色", "粉红色"], "brown": ["棕色", "褐色"],
           "black": ["黑色", "黑"], "white": ["白色", "白"], "gray": ["灰色"]}
GROUPS = {
    "smileys-emotion": {"en": ["face or emotion", "expression", "smileys"], "zh": ["表情", "表情符号", "情绪"]},
    "people-body": {"en": ["people", "people and body"], "zh": ["人", "人和身体"]},
    "animals-nature": {"en": ["animal or plant", "nature", "wildlife", "living thing"], "zh": ["动物或植物", "大自然", "自然", "动植物"]},
    "food-drink": {"en": ["food or drink", "something for the kitchen", "restaurant"], "zh": ["食物或饮料", "餐饮", "吃喝"]},
    "travel-places": {"en": ["travel and places", "travel"], "zh": ["旅行和地点", "旅行"]},
    "activities": {"en": ["activity", "leisure", "fun"], "zh": ["活动", "休闲", "娱乐"]},
    "objects": {"en": ["object", "thing", "everyday object"], "zh": ["物品", "东西", "日用品"]},
    "symbols": {"en": ["symbol", "sign"], "zh": ["符号", "标志"]},
    "flags": {"en": ["flag", "flags of the world"], "zh": ["旗帜", "旗"]},
}
# A few kinds belong together in a word people use, though emojibase has no group for it.
WIDER = {
    "animal-": {"en": ["animal", "animals"], "zh": ["动物"]},
    "food-": {"en": ["food", "something to eat", "tasty food"], "zh": ["食物", "吃的东西", "好吃的", "美食"]},
    "transport-ground": {"en": ["vehicle", "vehicles", "transport"], "zh": ["交通工具", "运输"]},
    "transport-water": {"en": ["vehicle", "vehicles", "transport"], "zh": ["交通工具", "运输"]},
    "transport-air": {"en": ["vehicle", "vehicles", "transport"], "zh": ["交通工具", "运输"]},
    "face-": {"en": ["face", "smiley"], "zh": ["脸", "表情"]},
    "person": {"en": ["person", "people", "human"], "zh": ["人", "人物"]},
    "place-": {"en": ["place", "places"], "zh": ["地方", "地点"]},
    "plant-": {"en": ["plant", "plants"], "zh": ["植物"]},
}


def names(label, language):
    """The ways to say a label; a flag is also called by its country."""
    if language == "en" and label.startswith("flag: "):
        place = label[6:]
        return [label, f"flag of {place}", f"{place} flag", place]
    if language == "zh" and re.match("旗[:：] *", label):
        place = re.sub("旗[:：] *", "", label)
        return [label, f"{place}国旗", f"{place}的旗帜", place]
    if language == "en" and ": " in label:
        who, what = label.split(": ", 1)
        return [label, f"{who} with {what}", f"{who}, {what}"]
    return [label, label.replace("’", "'")]


class Captions:
    def __init__(self, things, kinds, colours):
        """things as in work/things.json; kinds {kind: {en, zh}}; colours: for each thing, its colours' names."""
        self.things = things
        self.attribute, has = {}, []
        for thing, coloured in zip(things, colours):
            own = {"hex": {}}
            for lang in LANGUAGES:
                wide = [w[lang] for prefix, w in WIDER.items() if thing["kind"].startswith(prefix)]
                colour_words = [w for c in coloured for w in ([c] if lang == "en" else COLOURS[c])]
                own[lang] = {"tag": thing[lang]["tags"], "kind": sorted({*kinds[thing["kind"]][lang], *sum(wide, [])}),
                             "group": GROUPS[thing["group"]][lang], "colour": colour_words}
            has.append(own)
        self.has = has
        for own in has:
            for lang in LANGUAGES:
                for phrase in sorted({p.lower() for phrases in own[lang].values() for p in phrases}):
                    self.attribute.setdefault((lang, phrase), len(self.attribute))
        self.matrix = np.zeros((len(self.attribute), len(things)), bool)
        for i, own in enumerate(has):
            for lang in LANGUAGES:
                for phrases in own[lang].values():
                    for phrase in phrases:
                        self.matrix[self.attribute[lang, phrase.lower()], i] = True
        # A thing that bears the phrase as its name is meant by it too ("person", "red heart").
        for i, thing in enumerate(things):
            for lang in LANGUAGES:
                for name in names(thing[lang]["name"], lang):
                    at = self.attribute.get((lang, name.lower()))
                    if at is not None:
                        self.matrix[at, i] = True

    def meant(self, lang, phrases):
        """bool [things]: those that have every phrase."""
        return np.logical_and.reduce([self.matrix[self.attribute[lang, p.lower()]] for p in phrases])

    def full(self, i, lang):
        """The caption as demo/emoji.parquet has it."""
        thing, own = self.things[i], self.has[i][lang]
        label = thing[lang]["name"]
        tags = [t for t in own["tag"] if t.lower() != label.lower()]
        kind = self.kind_of(i, lang)
        if lang == "en":
            return f"{label}, {kind}" + (": " + ", ".join(tags) if tags else "")
        return f"{label}，{kind}" + ("：" + "、".join(tags) if tags else "")

    def kind_of(self, i, lang):
        return self.first_kind[self.things[i]["kind"]][lang][0]

    def sample(self, i, lang, rng):
        """A text about thing i -> (text, None if it names the thing, else bool [things] that it is about)."""
        thing, own = self.things[i], self.has[i][lang]
        pick = lambda options: options[rng.integers(len(options))]
        name = pick(names(thing[lang]["name"], lang)) if rng.random() < 0.5 else thing[lang]["name"]
        tags, r = own["tag"], rng.random()
        if r < 0.40:
            return pick(NAMED[lang]).format(name), None
        if r < 0.47:
            return pick(OF_KIND[lang]).format(name, pick(own["kind"])), None
        if r < 0.55 and tags:
            some = [tags[j] for j in rng.permutation(len(tags))[: rng.integers(1, 5)]]
            comma = ", " if lang == "en" else "、"
            return f"{name}{comma if rng.random() < .5 else ' '}{comma.join(some)}", None
        if r < 0.58:
            return self.full(i, lang), None
        if r < 0.72 and tags:
            tag = pick(tags)
            return pick(NAMED[lang]).format(tag), self.meant(lang, [tag])
        if r < 0.82:
            kind = pick(own["kind"]) if rng.random() < .8 else pick(own["group"])
            return pick(NAMED[lang]).format(kind), self.meant(lang, [kind])
        if r < 0.90 and own["colour"]:
            colour, kind = pick(own["colour"]), pick(own["kind"])
            return pick(COLOURED[lang]).format(c=colour, k=kind), self.meant(lang, [colour, kind])
        if r < 0.95 and tags:
            tag, kind = pick(tags), pick(own["kind"])
            text = pick(["{1}, {0}", "{0} {1}", "{1} {0}"] if lang == "en" else ["{0}{1}", "{0} {1}", "{0}的{1}"])
            return text.format(tag, kind), self.meant(lang, [tag, kind])
        if len(tags) > 1:
            some = [tags[j] for j in rng.permutation(len(tags))[: rng.integers(2, 4)]]
            return (" " if rng.random() < .5 else ", " if lang == "en" else "、").join(some), self.meant(lang, some)
        return name, None

    def corpus(self):
        """{text: weight} for the vocabulary."""
        counts = {}
        for i, thing in enumerate(self.things):
            for lang in LANGUAGES:
                for text, n in [*((t, 3) for t in names(thing[lang]["name"], lang)), *((t, 1) for t in self.has[i][lang]["tag"])]:
                    counts[text] = counts.get(text, 0) + n
        for lang, phrase in self.attribute:
            counts[phrase] = counts.get(phrase, 0) + 3
        for lang in LANGUAGES:
            for template in NAMED[lang] + OF_KIND[lang]:
                text = template.replace("{}", " ")
                counts[text] = counts.get(text, 0) + 20
        return counts


def load(folder, kinds_file, colours):
    kinds = json.load(open(kinds_file))
    captions = Captions(json.load(open(f"{folder}/things.json")), kinds, colours)
    captions.first_kind = kinds
    return captions
