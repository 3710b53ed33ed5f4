/**
 * Who asks: the token that this browser shows to the server.
 * On the machine that runs the server none is needed; elsewhere history, clips and the API want one (DESIGN §4).
 */

/** Where the token is kept between visits. */
const TOKEN_KEY = 'tapeline.token';

/** The token of this browser. */
export class Session {
  /** The token, or null. */
  token: string | null = $state(read());

  /** Takes a token and keeps it in this browser; an empty one forgets it. */
  use(token: string): void {
    const clean = token.trim();
    this.token = clean === '' ? null : clean;
    try {
      if (clean === '') localStorage.removeItem(TOKEN_KEY);
      else localStorage.setItem(TOKEN_KEY, clean);
    } catch {
      // A browser that keeps nothing asks again at the next visit; this visit works.
    }
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(TOKEN_KEY);
  } catch {
    return null;
  }
}
