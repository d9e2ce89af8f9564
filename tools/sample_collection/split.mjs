// The collection's keys -> what each picture is for: train, validation or test.
//
// A key's share is the first eight bytes of its SHA-256 as a fraction of 1. In the order of their
// shares, those below 0.10 are for testing and those below 0.14 for validation, but only the first
// picture of a thing: the others of it stay, so that a held-out picture can be found by another
// drawing of the same thing. Country flags that are drawn alike count as one thing: the territory
// flies its country's flag.
//
// tools/train_demo_model/pictures.py (held_out, SAME) has the same rule, and must: what is trained
// on there must not be tested on here.
import { createHash } from 'node:crypto';

const testBelow = 0.10;
const validationBelow = 0.14;
const alike = new Map(Object.entries({
  '1F1F8-1F1EF': '1F1F3-1F1F4', '1F1E7-1F1FB': '1F1F3-1F1F4', '1F1F2-1F1EB': '1F1EB-1F1F7',
  '1F1E8-1F1F5': '1F1EB-1F1F7', '1F1ED-1F1F2': '1F1E6-1F1FA', '1F1FA-1F1F2': '1F1FA-1F1F8',
  '1F1EA-1F1E6': '1F1EA-1F1F8', '1F1E9-1F1EC': '1F1EE-1F1F4',
}));

const share = (key) => Number(createHash('sha256').update(key).digest().readBigUInt64BE()) / 2 ** 64;

// STYLE/CODEPOINTS -> the thing's code points.
function thingOf(key) {
  const hexcode = key.split('/')[1];
  return alike.get(hexcode) ?? hexcode;
}

// -> Map of key to split, every key in it.
export function splits(keys) {
  const found = new Map(keys.map((key) => [key, 'train']));
  const seen = new Set();
  for (const key of keys.toSorted((a, b) => share(a) - share(b))) {
    if (share(key) >= validationBelow) break;
    if (seen.has(thingOf(key))) continue;
    seen.add(thingOf(key));
    found.set(key, share(key) < testBelow ? 'test' : 'validation');
  }
  return found;
}
