/** Svelte's own settings. Runes everywhere: a component that falls back to the old mode does not compile. */
export default {
  compilerOptions: { runes: true },
};
