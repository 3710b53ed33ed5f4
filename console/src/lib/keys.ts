/**
 * The keyboard: which key is which command, and the words for both. The help overlay is drawn from this table, so
 * it cannot tell anything else than what the keys do.
 */

/** What a person can ask for by key. */
export type Command =
  | 'toggle'
  | 'back-5'
  | 'forward-5'
  | 'back-1'
  | 'forward-1'
  | 'back-10'
  | 'forward-10'
  | 'frame-back'
  | 'frame-forward'
  | 'live'
  | 'start'
  | 'mark-in'
  | 'mark-out'
  | 'go-in'
  | 'go-out'
  | 'clear-marks'
  | 'download'
  | 'store'
  | 'split'
  | 'mute'
  | 'fullscreen'
  | 'zoom-in'
  | 'zoom-out'
  | 'zoom-all'
  | 'help';

/** A key as the browser names it (`KeyboardEvent.key`, letters in lower case), and whether shift is held. */
interface Chord {
  readonly key: string;
  readonly shift: 'yes' | 'no' | 'any';
}

/** One row of the keyboard's table. */
export interface Binding {
  readonly command: Command;
  readonly chords: readonly Chord[];
  /** Which keys, for people. */
  readonly shown: readonly string[];
  readonly words: string;
}

/** The part of a key event that decides. */
export interface KeyPress {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

const plain = (key: string): Chord => ({ key, shift: 'no' });
const shifted = (key: string): Chord => ({ key, shift: 'yes' });
// Signs that lie on different keys of different keyboards come with or without shift.
const sign = (key: string): Chord => ({ key, shift: 'any' });

/** The groups of the table, in the order they are shown. */
export const KEYMAP: readonly { readonly title: string; readonly bindings: readonly Binding[] }[] = [
  {
    title: 'Play',
    bindings: [
      { command: 'toggle', chords: [plain(' '), plain('k')], shown: ['Space', 'K'], words: 'Play or pause' },
      { command: 'back-5', chords: [plain('arrowleft')], shown: ['←'], words: 'Back 5 s' },
      { command: 'forward-5', chords: [plain('arrowright')], shown: ['→'], words: 'Forward 5 s' },
      { command: 'back-1', chords: [shifted('arrowleft')], shown: ['Shift ←'], words: 'Back 1 s' },
      { command: 'forward-1', chords: [shifted('arrowright')], shown: ['Shift →'], words: 'Forward 1 s' },
      { command: 'back-10', chords: [plain('j')], shown: ['J'], words: 'Back 10 s' },
      { command: 'forward-10', chords: [plain('l')], shown: ['L'], words: 'Forward 10 s' },
      { command: 'frame-back', chords: [sign(',')], shown: [','], words: 'One frame back, when paused' },
      { command: 'frame-forward', chords: [sign('.')], shown: ['.'], words: 'One frame on, when paused' },
      { command: 'live', chords: [plain('end'), shifted('l')], shown: ['End', 'Shift L'], words: 'Go live' },
      { command: 'start', chords: [plain('home')], shown: ['Home'], words: 'To the start of the tape' },
      { command: 'mute', chords: [plain('m')], shown: ['M'], words: 'Sound on or off' },
      { command: 'fullscreen', chords: [plain('f')], shown: ['F'], words: 'Full screen' },
    ],
  },
  {
    title: 'Cut',
    bindings: [
      { command: 'mark-in', chords: [plain('i')], shown: ['I'], words: 'Mark in: the clip begins with this frame' },
      { command: 'mark-out', chords: [plain('o')], shown: ['O'], words: 'Mark out: the clip ends before this frame' },
      { command: 'go-in', chords: [shifted('i')], shown: ['Shift I'], words: 'Go to the in mark' },
      { command: 'go-out', chords: [shifted('o')], shown: ['Shift O'], words: 'Go to the out mark' },
      { command: 'clear-marks', chords: [plain('x')], shown: ['X'], words: 'Clear the marks' },
      { command: 'download', chords: [plain('c')], shown: ['C'], words: 'Download the clip' },
      { command: 'store', chords: [shifted('c')], shown: ['Shift C'], words: 'Keep the clip in the library' },
      { command: 'split', chords: [plain('s')], shown: ['S'], words: 'Split: close this recording, begin the next' },
    ],
  },
  {
    title: 'Timeline',
    bindings: [
      { command: 'zoom-in', chords: [sign('+'), sign('=')], shown: ['+'], words: 'Show less, larger' },
      { command: 'zoom-out', chords: [sign('-')], shown: ['−'], words: 'Show more, smaller' },
      { command: 'zoom-all', chords: [sign('0')], shown: ['0'], words: 'Show the whole tape' },
      { command: 'help', chords: [sign('?')], shown: ['?'], words: 'This help' },
    ],
  },
];

const BINDINGS = KEYMAP.flatMap((group) => group.bindings);

/** The command of a key press; none while ctrl, alt or meta are held: those belong to the browser. */
export function commandOf(press: KeyPress): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  const key = press.key.toLowerCase();
  const shift = press.shiftKey ? 'yes' : 'no';
  const hit = (chord: Chord): boolean => chord.key === key && (chord.shift === 'any' || chord.shift === shift);
  return BINDINGS.find((binding) => binding.chords.some(hit))?.command ?? null;
}

/** The first key of a command, for the tooltip of its button. */
export function keyOf(command: Command): string {
  return BINDINGS.find((binding) => binding.command === command)?.shown[0] ?? '';
}
