// Pictures somebody dropped, pasted or chose, by an id that stands for them in the address.
//
// They are held in memory, and so that a reload or a restored tab still has them, a copy goes into
// the tab's own storage (sessionStorage: no other tab and no other person sees it). What is too
// large for that is stored smaller; within the page's life the original is what is searched with.

export interface Picture {
  id: string;
  blob: Blob;
  name: string;
  preview: string; // an object URL; empty where the browser cannot show this kind of picture
}

const held = new Map<string, Picture>();
const STORED_BYTES = 300_000;
const STORED_SIDE = 1024;
const PREFIX = 'pgmmr.picture.';

export async function hold(file: Blob, name: string): Promise<Picture> {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
  const picture: Picture = { id, blob: file, name, preview: '' };
  held.set(id, picture);
  if (await can_show(file)) picture.preview = URL.createObjectURL(file);
  void store(picture);
  return picture;
}

export async function recall(id: string): Promise<Picture | null> {
  const there = held.get(id);
  if (there) return there;
  try {
    const stored = sessionStorage.getItem(PREFIX + id);
    if (!stored) return null;
    const { name, data } = JSON.parse(stored) as { name: string; data: string };
    const blob = from_base64(data);
    const picture: Picture = { id, blob, name, preview: URL.createObjectURL(blob) };
    held.set(id, picture);
    return picture;
  } catch {
    return null;
  }
}

// The picture so small that it has at most this many bytes, or null where the browser cannot read it.
export async function shrunk(blob: Blob, side: number): Promise<Blob | null> {
  try {
    const bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext('2d');
    if (!context) return null;
    context.fillStyle = '#fff'; // JPEG has no transparency; the service puts it on white as well
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.9));
  } catch {
    return null;
  }
}

async function can_show(blob: Blob): Promise<boolean> {
  try {
    (await createImageBitmap(blob)).close();
    return true;
  } catch {
    return false;
  }
}

async function store(picture: Picture): Promise<void> {
  const small =
    picture.blob.size <= STORED_BYTES ? picture.blob : await shrunk(picture.blob, STORED_SIDE);
  if (!small || !picture.preview) return;
  const text = JSON.stringify({ name: picture.name, data: await to_base64(small) });
  // Oldest first out, until it fits.
  for (;;) {
    try {
      sessionStorage.setItem(PREFIX + picture.id, text);
      return;
    } catch {
      const oldest = stored_names()[0];
      if (!oldest) return;
      sessionStorage.removeItem(oldest);
    }
  }
}

function stored_names(): string[] {
  try {
    return Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX));
  } catch {
    return [];
  }
}

function to_base64(blob: Blob): Promise<string> {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
}

// Without fetch(): a content security policy rightly stops that for data: addresses.
function from_base64(data: string): Blob {
  const comma = data.indexOf(',');
  const bytes = Uint8Array.from(atob(data.slice(comma + 1)), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: /^data:([^;,]+)/.exec(data)?.[1] ?? 'image/jpeg' });
}
