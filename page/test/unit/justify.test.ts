import { describe, expect, test } from 'vitest';
import { move } from '../../src/gallery_moves';
import { justify, shape_of, wished_row_height, type Size } from '../../src/justify';

// The same "random" shapes at each run (Lehmer's generator).
function shapes(n: number, seed = 7): Size[] {
  let state = seed;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  return Array.from({ length: n }, () => ({ width: 100 + 900 * next(), height: 100 + 900 * next() }));
}

const frame = { width: 1200, row_height: 180, gap: 10, caption: 30, more: false };
const rows_of = (layout: ReturnType<typeof justify>) =>
  Array.from({ length: layout.rows }, (_, row) => layout.boxes.filter((box) => box.row === row));

describe.each([320, 700, 1200, 2560])('in a gallery %i pixels wide', (width) => {
  const layout = justify(shapes(200), { ...frame, width });
  const rows = rows_of(layout);

  test('every picture has its place, in order', () => {
    expect(layout.boxes).toHaveLength(200);
    expect(rows.flat()).toEqual(layout.boxes);
  });

  test('every row but the last fills the width exactly', () => {
    for (const row of rows.slice(0, -1)) {
      const last = row.at(-1)!;
      expect(row[0]!.left).toBe(0);
      expect(last.left + last.width).toBeCloseTo(width, 6);
    }
  });

  test('pictures of a row are equally high, keep their shape and never overlap', () => {
    for (const row of rows) {
      row.forEach((box, i) => {
        expect(box.height).toBe(row[0]!.height);
        const size = shapes(200)[layout.boxes.indexOf(box)]!;
        expect(box.width / box.height).toBeCloseTo(shape_of(size), 6);
        if (i > 0) expect(box.left).toBeCloseTo(row[i - 1]!.left + row[i - 1]!.width + 10, 6);
      });
    }
  });

  test('rows stand below each other with room for the captions', () => {
    for (let i = 1; i < rows.length; ++i) {
      const above = rows[i - 1]![0]!;
      expect(rows[i]![0]!.top).toBeCloseTo(above.top + above.height + 30 + 10, 6);
    }
    const last = rows.at(-1)![0]!;
    expect(layout.height).toBeCloseTo(last.top + last.height + 30, 6);
  });
});

test('rows come near to the height wished for', () => {
  const heights = rows_of(justify(shapes(300), frame)).slice(0, -1).map((row) => row[0]!.height);
  expect(Math.max(...heights)).toBeLessThan(180 * 1.8);
  expect(Math.min(...heights)).toBeGreaterThan(180 / 1.8);
});

test('pictures that come later move none of those before', () => {
  const all = shapes(240);
  const first = justify(all.slice(0, 60), { ...frame, more: true });
  const then = justify(all.slice(0, 120), { ...frame, more: true });
  const last = justify(all, frame);
  expect(first.boxes.length).toBeGreaterThan(40);
  expect(then.boxes.slice(0, first.boxes.length)).toEqual(first.boxes);
  expect(last.boxes.slice(0, then.boxes.length)).toEqual(then.boxes);
});

test('a last row of one picture is not blown up', () => {
  const layout = justify([{ width: 300, height: 300 }], frame);
  expect(layout.boxes[0]).toMatchObject({ width: 180, height: 180 });
});

test('squares make rows of equal length', () => {
  const squares = Array.from({ length: 60 }, () => ({ width: 64, height: 64 }));
  const lengths = rows_of(justify(squares, { ...frame, row_height: 128 })).map((row) => row.length);
  expect(new Set(lengths.slice(0, -1)).size).toBe(1);
});

test('shapes that make no sense, and extreme ones, still find a place', () => {
  const odd = [
    { width: 0, height: 0 },
    { width: -5, height: 100 },
    { width: Number.NaN, height: 10 },
    { width: 20_000, height: 10 },
    { width: 10, height: 20_000 },
  ];
  for (const box of justify(odd, frame).boxes) {
    expect(box.width).toBeGreaterThan(0);
    expect(box.height).toBeGreaterThan(0);
    expect(box.left + box.width).toBeLessThanOrEqual(frame.width + 1e-6);
  }
  expect(justify(shapes(5), { ...frame, width: 0 }).boxes).toEqual([]);
  expect(justify([], frame)).toEqual({ boxes: [], height: 0, rows: 0 });
});

test('rows are no higher than twice small pictures, nor than a screen likes', () => {
  const of = (height: number, width: number) =>
    wished_row_height(Array.from({ length: 30 }, () => ({ width: height, height })), width);
  expect(of(64, 1200)).toBe(128);
  expect(of(4000, 1200)).toBe(216);
  expect(of(4000, 390)).toBe(136);
  expect(of(16, 1200)).toBe(124);
  const mixed = Array.from({ length: 30 }, (_, i) => ({ width: 64, height: i % 3 === 0 ? 64 : 128 }));
  expect(wished_row_height(mixed, 1200)).toBe(128); // not 216: a third would be a blur
});

describe('arrow keys', () => {
  const { boxes } = justify(shapes(60), frame);

  test('left and right go through all, and stop at the ends', () => {
    let at = 0;
    for (let i = 0; i < 100; ++i) at = move(boxes, at, 'ArrowRight');
    expect(at).toBe(59);
    expect(move(boxes, 0, 'ArrowLeft')).toBe(0);
    expect(move(boxes, 20, 'Home')).toBe(0);
    expect(move(boxes, 20, 'End')).toBe(59);
  });

  test('down leads to the picture below the middle, one row on', () => {
    const from = 2;
    const to = move(boxes, from, 'ArrowDown');
    expect(boxes[to]!.row).toBe(boxes[from]!.row + 1);
    const middle = boxes[from]!.left + boxes[from]!.width / 2;
    expect(boxes[to]!.left - 10).toBeLessThanOrEqual(middle);
    expect(boxes[to]!.left + boxes[to]!.width + 10).toBeGreaterThanOrEqual(middle);
  });

  test('up from the first row and down from the last stay', () => {
    expect(move(boxes, 1, 'ArrowUp')).toBe(1);
    expect(move(boxes, 59, 'ArrowDown')).toBe(59);
    expect(move([], 0, 'ArrowDown')).toBe(-1);
  });
});
