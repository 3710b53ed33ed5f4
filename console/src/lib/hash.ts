/** The part of the address behind `#`: which stream is chosen, so that a reload or a link keeps it. */

/** The stream that the hash names, or null. */
export function streamOfHash(hash: string): string | null {
  const name = new URLSearchParams(hash.replace(/^#/, '')).get('stream');
  return name === null || name === '' ? null : name;
}

/** The hash that names a stream. */
export function hashOfStream(name: string): string {
  // A slash may stand in a fragment as it is (RFC 3986 §3.5); unescaped it is easier to read and to type.
  return `#${new URLSearchParams({ stream: name }).toString().replaceAll('%2F', '/')}`;
}
