/** The shapes of the icons, on a grid of 24 by 24. */

/** One stroke of an icon, filled where `solid`. */
interface Shape {
  readonly d: string;
  readonly solid: boolean;
}

const line = (d: string): Shape => ({ d, solid: false });
const solid = (d: string): Shape => ({ d, solid: true });

/** Every icon by name. */
export const ICONS = {
  play: [solid('M8 5.5v13l10.5-6.5z')],
  pause: [solid('M7.5 5.5h2.6v13H7.5z'), solid('M13.9 5.5h2.6v13h-2.6z')],
  back: [line('M11 6.5 5.5 12l5.5 5.5'), line('M18.5 6.5 13 12l5.5 5.5')],
  forward: [line('M13 6.5l5.5 5.5-5.5 5.5'), line('M5.5 6.5 11 12l-5.5 5.5')],
  start: [line('M6 6v12'), solid('M18.5 6v12L9.5 12z')],
  sound: [solid('M4.5 9.5h3l4-3.5v12l-4-3.5h-3z'), line('M15 9.2a4 4 0 0 1 0 5.6'), line('M17.6 6.6a7.6 7.6 0 0 1 0 10.8')],
  mute: [solid('M4.5 9.5h3l4-3.5v12l-4-3.5h-3z'), line('M15.5 9.5l5 5'), line('M20.5 9.5l-5 5')],
  fullscreen: [line('M4.5 9V4.5H9'), line('M15 4.5h4.5V9'), line('M19.5 15v4.5H15'), line('M9 19.5H4.5V15')],
  keyboard: [line('M3.5 6.5h17v11h-17z'), line('M7 10h.01M10.3 10h.01M13.7 10h.01M17 10h.01'), line('M8 14h8')],
  publish: [line('M12 15.5V5'), line('M7.5 9 12 4.5 16.5 9'), line('M4.5 15v4.5h15V15')],
  download: [line('M12 4.5V15'), line('M7.5 11 12 15.5 16.5 11'), line('M4.5 15.5v4h15v-4')],
  keep: [line('M6.5 4.5h11v15L12 15.5l-5.5 4z')],
  split: [line('M12 3.5v17'), line('M9 8 5 12l4 4'), line('M15 8l4 4-4 4')],
  trash: [line('M5 7h14'), line('M9.5 7V4.5h5V7'), line('M7 7l.8 12.5h8.4L17 7')],
  close: [line('M6.5 6.5l11 11'), line('M17.5 6.5l-11 11')],
  plus: [line('M12 6v12'), line('M6 12h12')],
  minus: [line('M6 12h12')],
  copy: [line('M9 9h10.5v10.5H9z'), line('M15 9V4.5H4.5V15H9')],
} as const satisfies Record<string, readonly Shape[]>;

/** The name of an icon. */
export type IconName = keyof typeof ICONS;
