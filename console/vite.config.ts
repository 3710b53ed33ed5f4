/**
 * How the page is built and tested.
 * Every asset lies under `/console/` so that no name of a stream can collide with one; the server also answers
 * `index.html` at `/`. Nothing is inlined (the server's content security policy allows files only).
 */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a running server; media and API are passed on to it. */
const server = process.env['TAPELINE_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/console/',
  plugins: [svelte()],
  // Stores are tested as they run in a browser, not as a server would render them.
  resolve: process.env['VITEST'] === undefined ? {} : { conditions: ['browser'] },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    // hls.js alone is about 600 kB before compression; a warning at 500 would cry wolf for ever.
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: 'hls', test: /node_modules[\\/]hls\.js/ }] },
      },
    },
  },
  server: {
    // Everything that is not the page's own goes to the server: API, assets, and `/{app}/{stream}.*`.
    proxy: { '^/(?!console/)': { target: server } },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
