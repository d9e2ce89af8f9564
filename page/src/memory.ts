// A few settings that outlive the page. Storage may be blocked (a frame on another site, a private
// window): then they simply last as long as the page.
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`pgmmr.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`pgmmr.${name}`);
    else localStorage.setItem(`pgmmr.${name}`, value);
  } catch {
    // As said above.
  }
}
