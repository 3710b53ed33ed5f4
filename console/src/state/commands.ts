/** What each command of the keyboard and of the buttons does. */
import { frameSeconds } from '../lib/format';
import type { Command } from '../lib/keys';
import { SECOND, type Wall } from '../lib/time';
import { shows, spanOf } from '../lib/view';
import type { Desk } from './desk.svelte';

/** One step of the zoom. */
const ZOOM_STEP = 1.6;

/** Carries a command out. */
export function runCommand(desk: Desk, command: Command): void {
  ACTIONS[command](desk);
}

const ACTIONS: Readonly<Record<Command, (desk: Desk) => void>> = {
  toggle: ({ player }) => { player.toggle(); },
  'back-5': (desk) => { seekBy(desk, -5); },
  'forward-5': (desk) => { seekBy(desk, 5); },
  'back-1': (desk) => { seekBy(desk, -1); },
  'forward-1': (desk) => { seekBy(desk, 1); },
  'back-10': (desk) => { seekBy(desk, -10); },
  'forward-10': (desk) => { seekBy(desk, 10); },
  'frame-back': ({ player, streams }) => { player.step(-frameSeconds(streams.current)); },
  'frame-forward': ({ player, streams }) => { player.step(frameSeconds(streams.current)); },
  live: goLive,
  start: (desk) => { desk.goTo(desk.tape.bounds?.start ?? null); },
  'mark-in': (desk) => { mark(desk, (at) => { desk.marks.setIn(at); }); },
  'mark-out': (desk) => { mark(desk, (at) => { desk.marks.setOut(at); }); },
  'go-in': (desk) => { desk.goTo(desk.marks.in); },
  'go-out': (desk) => { desk.goTo(desk.marks.out); },
  'clear-marks': ({ marks }) => { marks.clear(); },
  download: ({ cutting }) => void cutting.downloadClip(),
  store: ({ cutting }) => void cutting.storeClip(),
  split: ({ cutting }) => void cutting.split(),
  mute: ({ player }) => { player.muted = !player.muted; },
  fullscreen,
  'zoom-in': (desk) => { desk.tape.zoomBy(1 / ZOOM_STEP, zoomPoint(desk)); },
  'zoom-out': (desk) => { desk.tape.zoomBy(ZOOM_STEP, zoomPoint(desk)); },
  'zoom-all': ({ tape }) => { tape.showAll(); },
  help: (desk) => { desk.overlay = desk.overlay === 'keys' ? null : 'keys'; },
};

function seekBy(desk: Desk, seconds: number): void {
  desk.player.seekBy(seconds * SECOND);
  if (desk.player.wall !== null) desk.tape.reveal(desk.player.wall);
}

function goLive(desk: Desk): void {
  const { player, tape } = desk;
  player.goLive();
  if (tape.mode === 'still' && tape.bounds !== null) tape.showSpan(spanOf(tape.view), tape.bounds.end);
}

function mark(desk: Desk, set: (at: Wall) => void): void {
  const at = desk.player.frameWall();
  if (at === null) desk.notices.tell('Nothing to mark yet', 'Marks are set at the playhead.');
  else set(Math.floor(at));
}

/** Where a zoom by key or button keeps still: the playhead while it is on the bar, else the middle. */
function zoomPoint({ player, tape }: Desk): Wall {
  const { view } = tape;
  return player.wall !== null && shows(view, player.wall) ? player.wall : (view.start + view.end) / 2;
}

function fullscreen(desk: Desk): void {
  const change = document.fullscreenElement === null ? desk.stage?.requestFullscreen() : document.exitFullscreen();
  change?.catch((thrown: unknown) => {
    desk.notices.fail('Full screen was refused', thrown);
  });
}
