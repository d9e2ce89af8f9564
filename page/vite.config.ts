import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Paths are relative, so that the page also works below a prefix of a proxy. Nothing is inlined as
// a data: address and no script stands in the HTML: the service's content security policy forbids both.
export default defineConfig({
  base: './',
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': process.env.PGMMR_PAGE_SERVICE ?? 'http://127.0.0.1:7860' },
  },
});
