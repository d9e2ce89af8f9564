// Light or dark: as the system, unless chosen here. public/theme.js does the same before first paint.
import { remember, remembered } from './memory';

export type Theme = 'system' | 'light' | 'dark';
const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

class Look {
  theme = $state<Theme>('system');

  constructor() {
    const chosen = remembered('theme');
    if (chosen === 'light' || chosen === 'dark') this.theme = chosen;
  }

  turn(): void {
    this.theme = NEXT[this.theme];
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    remember('theme', this.theme === 'system' ? null : this.theme);
  }
}

export const look = new Look();
