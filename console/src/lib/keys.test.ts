import { describe, expect, it } from 'vitest';
import { commandOf, KEYMAP, keyOf, type KeyPress } from './keys';

const press = (key: string, more: Partial<KeyPress> = {}): KeyPress => ({
  key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more,
});
const shift = { shiftKey: true };

describe('keys', () => {
  it.each([
    [press(' '), 'toggle'],
    [press('k'), 'toggle'],
    [press('ArrowLeft'), 'back-5'],
    [press('ArrowRight', shift), 'forward-1'],
    [press('j'), 'back-10'],
    [press('l'), 'forward-10'],
    [press('L', shift), 'live'],
    [press('End'), 'live'],
    [press('Home'), 'start'],
    [press(','), 'frame-back'],
    [press('.'), 'frame-forward'],
    [press('i'), 'mark-in'],
    [press('O', shift), 'go-out'],
    [press('c'), 'download'],
    [press('C', shift), 'store'],
    [press('s'), 'split'],
    [press('?', shift), 'help'],
    [press('+', shift), 'zoom-in'],
    [press('S', shift), null],
    [press('q'), null],
  ])('%o is %s', (key, command) => {
    expect(commandOf(key)).toBe(command);
  });

  it('with ctrl, meta or alt belong to the browser', () => {
    for (const held of ['ctrlKey', 'metaKey', 'altKey']) expect(commandOf(press('c', { [held]: true }))).toBeNull();
  });

  it('have caps lock for no shift', () => {
    expect(commandOf(press('C'))).toBe('download');
  });

  it('mean one thing each', () => {
    const chords = KEYMAP.flatMap((group) => group.bindings.flatMap((binding) => binding.chords));
    const presses = chords.flatMap(({ key, shift: held }) =>
      held === 'any' ? [`${key} yes`, `${key} no`] : [`${key} ${held}`],
    );
    expect(new Set(presses).size).toBe(presses.length);
  });

  it('are shown for every command', () => {
    for (const binding of KEYMAP.flatMap((group) => group.bindings)) expect(keyOf(binding.command)).not.toBe('');
  });
});
